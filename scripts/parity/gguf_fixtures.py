#!/usr/bin/env python3
"""Makes test/fixtures/gguf: small GGUF files written by the gguf package, and what they must be read as.

    python scripts/parity/gguf_fixtures.py [--models test/fixtures/architectures] [--out test/fixtures/gguf]

Needs torch, transformers, safetensors, gguf and llama-cpp-python. Deterministic. Three kinds:

NAME.gguf       a tiny checkpoint of one architecture (made by architectures.py), converted as llama.cpp's converter does.
                That the conversion is right is proved before anything is written: llama.cpp's logits on the file must
                be those of transformers on the checkpoint. expected.json has its config and the first 16 digits of the SHA-256 of its tensors.
blocks.gguf     random blocks of every number format, each with what gguf-py dequantises it to.
NAME-tokenizer.gguf   the vocabularies of test/fixtures/tokenizers and models/wren.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import gguf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from gguf import GGMLQuantizationType as Type  # noqa: E402
from gguf.quants import dequantize, quantize  # noqa: E402
from llama_cpp import Llama  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS  # noqa: E402

ROOT = Path(__file__).parents[2]
# What llama.cpp cannot be told by a file, and therefore assumes.
ASSUMED = {
    "gemma2": {"query_pre_attn_scalar": 16},
    "gemma3": {"query_pre_attn_scalar": 16},
    "smollm3": {"no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0]},
}
MODELS = ["llama3", "llama-bias", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "olmo2", "smollm3"]
ARCHITECTURES = {"gemma3_text": "gemma3"}
INTERLEAVED = ["llama", "smollm3"]


def write_config(writer: gguf.GGUFWriter, config) -> None:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = config.rope_parameters
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    writer.add_rope_dimension_count(size)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_vocab_size(config.vocab_size)
    if config.model_type in ("gemma2", "gemma3_text", "phi3"):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if config.model_type == "gemma3_text":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["full_attention"]["factor"])
        writer.add_sliding_window_pattern(3)
    writer.add_tokenizer_model("none")
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.pad_token_id)


def converted(name: str, tensor: np.ndarray, config) -> np.ndarray:
    if config.model_type in INTERLEAVED and ("q_proj" in name or "k_proj" in name):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
    if config.model_type.startswith("gemma") and name.endswith("norm.weight"):
        return tensor + np.float32(1)
    return tensor


def write_model(path: Path, model, dtype: Type) -> None:
    config = model.config
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    index = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(index, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, architecture)
    write_config(writer, config)
    if config.rope_parameters.get("rope_type") == "llama3":
        plain = config.rope_parameters["rope_theta"] ** (-torch.arange(0, config.head_dim, 2) / config.head_dim)
        stretched, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        writer.add_tensor("rope_freqs.weight", (plain / stretched).float().numpy())
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = np.ascontiguousarray(converted(name, tensor.float().numpy(), config))
        as_stored = Type.F32 if values.ndim == 1 else dtype
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), quantize(values, as_stored), raw_dtype=as_stored)
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def prove(model, ids: list[int]) -> float:
    """The largest difference between llama.cpp's and transformers' logits, relative to the largest logit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_model(path, model, Type.F32)
        # 0: the cache in float32.
        peer = Llama(str(path), n_ctx=64, logits_all=True, n_threads=1, type_k=0, type_v=0, verbose=False)
        peer.eval(ids)
        theirs = np.array(peer.scores[: len(ids)])
    with torch.no_grad():
        ours = model(torch.tensor([ids])).logits[0].numpy()
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def make_models(models: Path, out: Path) -> dict:
    expected = {}
    for name in MODELS:
        config = AutoConfig.from_pretrained(models / name)
        for key, value in ASSUMED.get(name, {}).items():
            setattr(config, key, value)
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_pretrained(models / name, config=config, dtype=torch.float32).eval()
        difference = prove(model, [5, 17, 80, 33, 61, 9] + ([] if name == "phi3" else [44, 45, 3, 91, 20, 70]))
        print(f"{name}: llama.cpp and transformers differ by {difference:.1e}")
        if not difference < 1e-3:
            raise SystemExit(f"{name}.gguf is not what the checkpoint is")
        write_model(out / f"{name}.gguf", model, Type.BF16)
        tensors = {
            key: {"shape": list(value.shape), "sha256": hashlib.sha256(value.float().numpy().tobytes()).hexdigest()[:16]}
            for key, value in model.state_dict().items()
            if not (key == "lm_head.weight" and config.tie_word_embeddings)
        }
        expected[name] = {"config": json.loads(config.to_json_string()), "tensors": tensors}
    return expected


def random_blocks(kind: Type, rows: int, columns: int, generator) -> np.ndarray:
    """Raw bytes; every scale is a half between 2^-8 and 1, and the second block of a row has scale 0."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = generator.integers(0, 256, (rows * columns // values, size), dtype=np.uint8)
    at = {Type.Q6_K: [208]}.get(kind, [0, 2] if kind.name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K") else [0])
    for offset in at:
        scales = np.exp2(generator.uniform(-8, 0, len(blocks))).astype(np.float16)
        if offset == 2:
            scales *= generator.choice(np.array([-1, 1], np.float16), len(blocks))
        else:
            scales[1] = 0
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def make_blocks(path: Path) -> None:
    generator = np.random.default_rng(4)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_head_count(1)
    for name in ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]:
        kind = Type[name]
        raw = random_blocks(kind, 3, 256, generator)
        writer.add_tensor(name, raw, raw_dtype=kind)
        writer.add_tensor(f"{name}.expected", dequantize(raw, kind).reshape(3, 256).astype(np.float32))
    plain = generator.standard_normal((3, 40)).astype(np.float32)
    for kind in (Type.F32, Type.F16, Type.BF16):
        raw = quantize(plain, kind)
        writer.add_tensor(kind.name, raw, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.expected", dequantize(raw, kind).reshape(3, 40).astype(np.float32))
    vector = plain[0, :32].copy()
    for kind in (Type.F16, Type.Q8_0):
        raw = quantize(vector.reshape(1, -1), kind)[0]
        writer.add_tensor(f"{kind.name}.vector", raw, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.vector.expected", dequantize(raw, kind).astype(np.float32))
    finish(writer)


def make_tokenizer(source: Path, path: Path, pre: str) -> None:
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    settings = json.loads((source / "tokenizer_config.json").read_text())
    model, added = tokenizer["model"], {entry["id"]: entry for entry in tokenizer["added_tokens"]}
    ids = model["vocab"] | {entry["content"]: id for id, entry in added.items()}
    tokens = sorted(ids, key=ids.get)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise SystemExit(f"{source}: ids have gaps")
    sentence_piece = pre == "default"
    types = []
    for id, token in enumerate(tokens):
        kind = gguf.TokenType.NORMAL
        if id in added:
            kind = gguf.TokenType.CONTROL if added[id]["special"] else gguf.TokenType.USER_DEFINED
        if sentence_piece and token == model["unk_token"]:
            kind = gguf.TokenType.UNKNOWN
        if sentence_piece and len(token) == 6 and token.startswith("<0x"):
            kind = gguf.TokenType.BYTE
        types.append(kind)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_head_count(1)
    writer.add_tokenizer_model("llama" if sentence_piece else "gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if sentence_piece:
        writer.add_token_scores([-float(id) for id in range(len(tokens))])
    else:
        writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    for name, add in [("bos", writer.add_bos_token_id), ("eos", writer.add_eos_token_id), ("unk", writer.add_unk_token_id), ("pad", writer.add_pad_token_id)]:  # fmt: skip
        if settings.get(f"{name}_token"):
            add(ids[settings[f"{name}_token"]])
    template = source / "chat_template.jinja"
    if template.exists():
        writer.add_chat_template(template.read_text())
    finish(writer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "test/fixtures/architectures")
    parser.add_argument("--out", type=Path, default=ROOT / "test/fixtures/gguf")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    expected = make_models(options.models, options.out)
    (options.out / "expected.json").write_text(json.dumps(expected, separators=(",", ":")).replace("}},", "}},\n") + "\n")
    make_blocks(options.out / "blocks.gguf")
    for name, pre in [("chatml", "smollm"), ("llama3", "llama-bpe"), ("llama2", "default")]:
        make_tokenizer(ROOT / "test/fixtures/tokenizers" / name, options.out / f"{name}-tokenizer.gguf", pre)
    make_tokenizer(ROOT / "models/wren", options.out / "wren-tokenizer.gguf", "gpt-2")


if __name__ == "__main__":
    main()
