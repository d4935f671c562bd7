#!/usr/bin/env python3
"""Makes test/fixtures/architectures: one tiny random checkpoint of every supported architecture, and what transformers
and PEFT compute with it.

    python scripts/parity/architectures.py [--out test/fixtures/architectures]

Needs torch, transformers, peft, safetensors. Seeded; the versions used are written into numbers.json. Weights are
rounded to bfloat16 and all arithmetic is float32. The config fields are each family's own, its sizes reduced.
"""

import argparse
import json
import math
import shutil
import warnings
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 96
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
TOLERANCE = 1e-4
SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)  # fmt: skip
LLAMA3 = dict(
    rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=16,
)  # fmt: skip
PLAIN = dict(rope_type="default", rope_theta=10000.0)
# What each family adds to the sizes.
FAMILIES = {
    "llama2": ("llama", dict(num_key_value_heads=4, tie_word_embeddings=False, rms_norm_eps=1e-5)),
    "llama3": ("llama", dict(rope_parameters=LLAMA3, head_dim=8, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "llama-bias": ("llama", dict(attention_bias=True, mlp_bias=True)),
    "smollm3": ("smollm3", dict(num_hidden_layers=4, no_rope_layer_interval=2, rope_parameters=PLAIN | {"rope_theta": 2e6}, tie_word_embeddings=True)),
    "mistral": ("mistral", dict(sliding_window=6, head_dim=8)),
    "qwen2": ("qwen2", dict(rope_parameters=PLAIN | {"rope_theta": 1e6}, tie_word_embeddings=True)),
    "qwen2-sliding": ("qwen2", dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=5, max_window_layers=1)),
    "qwen3": ("qwen3", dict(head_dim=16, rope_parameters=PLAIN | {"rope_theta": 1e6}, tie_word_embeddings=True)),
    "gemma2": ("gemma2", dict(head_dim=16, query_pre_attn_scalar=10, sliding_window=5, attn_logit_softcapping=4.0, final_logit_softcapping=6.0, hidden_activation="gelu_pytorch_tanh")),
    "gemma3": ("gemma3_text", dict(
        num_hidden_layers=3, head_dim=16, num_key_value_heads=1, query_pre_attn_scalar=20, sliding_window=5, hidden_activation="gelu_pytorch_tanh",
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters={"full_attention": dict(rope_type="linear", factor=4.0, rope_theta=1e6), "sliding_attention": PLAIN})),
    "phi3": ("phi3", dict(sliding_window=7, rms_norm_eps=1e-5)),
    "olmo2": ("olmo2", dict(rope_parameters=PLAIN | {"rope_theta": 5e5})),
}  # fmt: skip


def make_model(kind: str, extra: dict, seed: int):
    config = AutoConfig.for_model(kind, **{**SIZES, **extra})
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(seed)
    offset = 0.0 if kind.startswith("gemma") else 1.0
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name:
                weight.copy_(offset + 0.2 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.3 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                weight.copy_(0.6 * noise)
            else:
                weight.copy_(1.5 / math.sqrt(weight.shape[1]) * noise)
    return model


def add_adapter(model, seed: int):
    targets = FUSED if model.config.model_type == "phi3" else SEVEN
    model = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                scale = 1 / math.sqrt(weight.shape[1]) if "lora_A" in name else 0.2
                weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return model.eval()


def forward(model, rows: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return model(input_ids=ids, attention_mask=mask).logits


def own_positions(logits: torch.Tensor, rows: list[list[int]]) -> torch.Tensor:
    return torch.cat([logits[b, : len(row)] for b, row in enumerate(rows)])


def mean_loss(model, rows: list[list[int]], labelled: list[int]) -> torch.Tensor:
    """Mean negative log-likelihood over the last `labelled` tokens of each row."""
    logits = forward(model, rows)
    total = sum(
        torch.nn.functional.cross_entropy(
            logits[b, len(row) - count - 1 : len(row) - 1], torch.tensor(row[len(row) - count :]), reduction="sum"
        )
        for b, (row, count) in enumerate(zip(rows, labelled))
    )
    return total / sum(labelled)


def greedy(model, prompt: list[int], count: int) -> dict:
    """Cached generation by transformers, cut before the first choice closer than ten tolerances."""
    out = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), max_new_tokens=count,
        do_sample=False, eos_token_id=None, pad_token_id=0, output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    tokens, logs = [], []
    for token, scores in zip(out.sequences[0, len(prompt) :].tolist(), out.scores):
        best = scores[0].log_softmax(-1).topk(2).values
        if float(best[0] - best[1]) < 10 * TOLERANCE:
            break
        tokens.append(token)
        logs.append(float(best[0]))
    return {"prompt": prompt, "tokens": tokens, "logProbabilities": logs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "test/fixtures/architectures")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    numbers: dict = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
        "tolerance": TOLERANCE,
        "models": {},
    }
    for index, (name, (kind, extra)) in enumerate(FAMILIES.items()):
        folder = out / name
        make_model(kind, extra, seed=40 + index).to(torch.bfloat16).save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        generator = torch.Generator().manual_seed(70 + index)
        draw = lambda length: torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()
        rows, labelled = [draw(19), draw(12)], [9, 5]
        with torch.no_grad():
            logits = own_positions(forward(model, rows), rows)
            loss = float(mean_loss(model, rows, labelled))
        best = logits.topk(2).values
        answers = [greedy(model, draw(length), 16) for length in (1, 7, 20)]
        adapted = add_adapter(model, seed=100 + index)
        adapted_loss = mean_loss(adapted, rows, labelled)
        adapted_loss.backward()
        tensors = {"logits": logits}
        with torch.no_grad():
            tensors["adapted.logits"] = own_positions(forward(adapted, rows), rows)
        for parameter_name, parameter in adapted.named_parameters():
            if parameter.grad is not None:
                tensors[parameter_name.replace(".default.", ".")] = parameter.grad.clone().contiguous()
        save_file(tensors, out / f"{name}.safetensors")
        adapted.peft_config["default"].base_model_name_or_path = name
        adapted.save_pretrained(folder / "adapter")
        (folder / "adapter/README.md").unlink(missing_ok=True)
        numbers["models"][name] = {
            "rows": rows, "labelled": labelled, "loss": loss, "adaptedLoss": float(adapted_loss.detach()),
            "medianGap": float((best[:, 0] - best[:, 1]).median()), "greedy": answers,
        }  # fmt: skip
        print(name, f"median gap {numbers['models'][name]['medianGap']:.3f}", [len(answer["tokens"]) for answer in answers])
    (out / "numbers.json").write_text(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main()
