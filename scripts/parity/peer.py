#!/usr/bin/env python3
"""What transformers and PEFT compute with a real checkpoint, for test/real to compare with.

    python scripts/parity/peer.py MODEL_DIR OUT_DIR     prompts, greedy answers, and loss and gradients with an adapter
    python scripts/parity/peer.py MODEL_DIR ADAPTER_DIR OUT_DIR     the loss with an adapter that somebody else wrote

Writes OUT_DIR/peer.json, and in the first form OUT_DIR/adapter and OUT_DIR/gradients.safetensors.
"""

import json
import math
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
import transformers  # noqa: E402
from make_fixtures import PROJECTIONS, gradients, mean_loss, pad, rounded, save_adapter  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "Name a colour, please."}],
    [
        {"role": "user", "content": "Write two sentences about the sea, and use the numbers 12 and 340."},
        {"role": "assistant", "content": "The sea has 12 moods."},
        {"role": "user", "content": "And the second one?"},
    ],
]
ANSWER = "It says that 340 ships sail past every day; nobody counts them twice."
NEW_TOKENS = 16


def greedy(model, ids: list[int]) -> dict:
    result = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=NEW_TOKENS,
        do_sample=False, eos_token_id=None, return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    tops = torch.cat(result.logits).log_softmax(-1).topk(10).values
    return {"tokens": result.sequences[0, len(ids) :].tolist(), "topLogProbabilities": rounded(tops), "smallestGap": float((tops[:, 0] - tops[:, 1]).min())}


def labelled_row(tokenizer, messages: list[dict]) -> dict:
    """A conversation whose answer and end-of-turn token carry loss."""
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": ANSWER}], tokenize=False)
    ids = tokenizer.encode(whole, add_special_tokens=False)
    start = len(tokenizer.encode(prompt, add_special_tokens=False))
    end = len(ids) - 1 - ids[::-1].index(tokenizer.eos_token_id)
    return {"ids": ids, "labels": [id if start <= i <= end else -100 for i, id in enumerate(ids)]}


def with_random_adapter(model):
    generator = torch.Generator().manual_seed(21)
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=PROJECTIONS, task_type="CAUSAL_LM")).eval()
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                scale = 1 / math.sqrt(weight.shape[1]) if "lora_A" in name else 0.01
                weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return adapted


def main() -> None:
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    directory, out = Path(sys.argv[1]), Path(sys.argv[-1])
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    batch = pad([labelled_row(tokenizer, messages) for messages in CONVERSATIONS])
    if len(sys.argv) == 4:
        adapted = PeftModel.from_pretrained(model, sys.argv[2])
        with torch.no_grad():
            (out / "peer.json").write_text(json.dumps({"loss": float(mean_loss(adapted, batch))}))
        return
    prompts = []
    for messages in CONVERSATIONS:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer.encode(text, add_special_tokens=False)
        prompts.append({"messages": messages, "text": text, "ids": ids, **greedy(model, ids)})
    adapted = with_random_adapter(model)
    loss = mean_loss(adapted, batch)
    loss.backward()
    save_file(gradients(adapted), out / "gradients.safetensors")
    save_adapter(adapted, out / "adapter")
    document = {"answer": ANSWER, "prompts": prompts, "loss": float(loss.detach()), "labels": batch["labels"]}
    (out / "peer.json").write_text(json.dumps(document))


if __name__ == "__main__":
    main()
