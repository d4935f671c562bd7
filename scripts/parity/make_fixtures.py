#!/usr/bin/env python3
"""Makes test/fixtures/parity: tiny random Llama checkpoints and what PyTorch, transformers and PEFT compute with them.

    python scripts/parity/make_fixtures.py [--out test/fixtures/parity]

Needs torch, transformers, peft, tokenizers, safetensors. Seeded; the versions used are written into numbers.json.
The conventions behind every number are in the README.md that this script writes beside them.
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
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, get_linear_schedule_with_warmup

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TURN = SPECIAL.index("<|im_end|>")
VOCABULARY = 264  # 3 special tokens, 256 bytes, and 5 rows that no token uses, as padded embeddings have
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TRAINING = {
    "steps": 10,
    "batchSize": 2,
    "gradientAccumulation": 2,
    "learningRate": 2e-2,
    "warmupSteps": 2,
    "schedule": "linear",
    "weightDecay": 0.01,
    "maxGradientNorm": 1.0,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
README = """# Parity fixtures

Written by `scripts/parity/make_fixtures.py`; do not edit. Random weights, no language in them.

| folder | what |
|---|---|
| `tied` | F32, tied output projection, head size = hidden / heads, config as transformers writes it |
| `tied-f16`, `tied-bf16-sharded` | the same weights rounded; the second split in shards with an index |
| `untied` | F32, own output projection, head size set apart from hidden / heads, `rope_theta` at the top level of the config |
| `adapter` | PEFT adapter of `tied`: r 4, alpha 8, seven projections, B not zero |
| `adapter-final` | the same after ten training steps |
| `adapter-gradients.safetensors` | gradient of `batch`'s loss for every matrix of `adapter`, under PEFT's names |
| `tied-gradients.safetensors` | gradient of `batch`'s loss for every weight of `tied`, no adapter |
| `logits.safetensors` | logits of `batch` for each model and `adapter`: [17 + 11, 264], the first row's positions, then the second's |
| `numbers.json` | everything else |

Conventions
- Everything is computed in float32 on the CPU. For the rounded checkpoints, weights are rounded, arithmetic is float32.
- `labels[i]` is the label of token i itself: it is predicted at position i − 1. −100 carries no loss. Label at position 0 never counts.
- `loss` is the mean negative log-likelihood per labelled token, nats, over the whole batch.
- `training`: AdamW (betas 0.9 and 0.999, eps 1e-8, decoupled weight decay on every A and B), torch's `clip_grad_norm_`
  (norm over all gradients, factor max / (norm + 1e-6) when below 1), `get_linear_schedule_with_warmup`: step k, from 1,
  uses peak × (k − 1) / warmup during the warm-up, so **the first step has learning rate 0**, then
  peak × (steps − (k − 1)) / (steps − warmup).
- The loss and gradient of an accumulated step are normalised by the labelled tokens of the *whole* step
  (transformers' `num_items_in_batch`), not averaged over its micro-batches.
- `microBatches` holds four; step k uses numbers 2(k − 1) and 2(k − 1) + 1, modulo 4.
- `greedy`: each prompt alone, end-of-turn not special, twelve tokens; `topLogProbabilities` are ln p of the ten largest.
"""


def make_model(tied: bool, seed: int) -> LlamaForCausalLM:
    """A random model whose layers, not its embeddings, decide the next token."""
    shape = (
        dict(hidden_size=32, head_dim=8, intermediate_size=64, rope_theta=10000.0)
        if tied
        else dict(hidden_size=40, head_dim=16, intermediate_size=72, rope_theta=50000.0)
    )
    theta = shape.pop("rope_theta")
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=END_OF_TURN,
        pad_token_id=0,
        attn_implementation="eager",
        **shape,
    )
    model = LlamaForCausalLM(config).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name:
                weight.copy_(1 + 0.2 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                weight.copy_((0.35 if tied else 0.5) * noise)
            else:
                weight.copy_(2.0 / math.sqrt(weight.shape[1]) * noise)
    return model


def write_tokenizer(directory: Path) -> None:
    """A byte-level tokenizer without merges, with a ChatML template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: id for id, token in enumerate(SPECIAL + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 128,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    write_json(directory / "tokenizer_config.json", settings)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def save_checkpoint(model: LlamaForCausalLM, directory: Path, dtype: torch.dtype, shard: str | None = None) -> LlamaForCausalLM:
    """Saves and reads back, in float32, what was saved."""
    copy = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.to(dtype).save_pretrained(directory, **({"max_shard_size": shard} if shard else {}))
    write_tokenizer(directory)
    return LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def rounded(values: torch.Tensor) -> list:
    return json.loads(json.dumps(values.tolist()), parse_float=lambda text: float(f"{float(text):.8g}"))


def make_row(generator: torch.Generator, length: int, labelled: int) -> dict:
    """Random token ids; the last `labelled` of them carry loss."""
    ids = torch.randint(3, 259, (length,), generator=generator).tolist()
    return {"ids": ids, "labels": [-100] * (length - labelled) + ids[length - labelled :]}


def pad(rows: list[dict]) -> dict:
    """Right padding with token 0, no loss on it."""
    longest = max(len(row["ids"]) for row in rows)
    gap = lambda row: longest - len(row["ids"])
    return {
        "ids": [row["ids"] + [0] * gap(row) for row in rows],
        "labels": [row["labels"] + [-100] * gap(row) for row in rows],
        "attentionMask": [[1] * len(row["ids"]) + [0] * gap(row) for row in rows],
        "lengths": [len(row["ids"]) for row in rows],
    }


def forward(model, batch: dict) -> torch.Tensor:
    return model(input_ids=torch.tensor(batch["ids"]), attention_mask=torch.tensor(batch["attentionMask"])).logits


def summed_loss(model, batch: dict) -> tuple[torch.Tensor, int]:
    """Sum of negative log-likelihoods, and over how many tokens."""
    labels = torch.tensor(batch["labels"])[:, 1:]
    logits = forward(model, batch)[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
    return loss, int((labels != -100).sum())


def mean_loss(model, batch: dict) -> torch.Tensor:
    total, count = summed_loss(model, batch)
    return total / count


def logits_of_rows(model, batch: dict) -> torch.Tensor:
    """Logits at each row's own positions, row after row: what stands under padding is nobody's business."""
    with torch.no_grad():
        logits = forward(model, batch)
    return torch.cat([logits[row, :length] for row, length in enumerate(batch["lengths"])])


def gaps(model, batch: dict) -> torch.Tensor:
    with torch.no_grad():
        best = forward(model, batch).topk(2).values
    mask = torch.tensor(batch["attentionMask"]).bool()
    return (best[..., 0] - best[..., 1])[mask]


def greedy(model, ids: list[int], count: int) -> dict:
    """Recomputes the whole sequence for each token, then checks transformers' own cached generation against it."""
    tokens, tops, smallest = [], [], math.inf
    for _ in range(count):
        with torch.no_grad():
            log_probabilities = model(input_ids=torch.tensor([ids + tokens])).logits[0, -1].log_softmax(-1)
        top = log_probabilities.topk(10)
        smallest = min(smallest, float(top.values[0] - top.values[1]))
        tokens.append(int(top.indices[0]))
        tops.append(rounded(top.values))
    cached = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=count,
        do_sample=False, eos_token_id=None, pad_token_id=0,
    )[0, len(ids) :].tolist()  # fmt: skip
    assert cached == tokens, "transformers' cached and recomputed greedy tokens differ"
    return {"prompt": ids, "tokens": tokens, "topLogProbabilities": tops, "smallestGap": smallest}


def greedy_without_ties(models: list, seed: int) -> list[list[dict]]:
    """Greedy answers of every model to prompts drawn anew until no choice is so close that rounding could turn it."""
    while True:
        generator = torch.Generator().manual_seed(seed)
        prompts = [make_row(generator, length, 0)["ids"] for length in (1, 5, 12, 23)]
        answers = [[greedy(model, ids, 12) for ids in prompts] for model in models]
        if all(answer["smallestGap"] > 0.01 for row in answers for answer in row):
            return answers
        seed += 1


def make_adapter(directory: Path, seed: int):
    """A PEFT model on `tied` with random A and B."""
    base = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    settings = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    model = get_peft_model(base, settings)
    model.peft_config["default"].base_model_name_or_path = directory.name
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                scale = 1 / math.sqrt(weight.shape[1]) if "lora_A" in name else 0.1
                weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return model.eval()


def save_adapter(model, directory: Path) -> None:
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text())
    write_json(path, {**config, "base_model_name_or_path": "tied", "target_modules": sorted(config["target_modules"])})


def gradients(model) -> dict[str, torch.Tensor]:
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name.replace(".default.", "."): gradient.clone().contiguous() for name, gradient in found.items()}


def train(model, micro_batches: list[dict]) -> list[dict]:
    """Ten steps, as transformers' Trainer takes them."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=TRAINING["learningRate"], weight_decay=TRAINING["weightDecay"])
    schedule = get_linear_schedule_with_warmup(optimizer, TRAINING["warmupSteps"], TRAINING["steps"])
    accumulation, history = TRAINING["gradientAccumulation"], []
    for step in range(TRAINING["steps"]):
        group = [micro_batches[(step * accumulation + i) % len(micro_batches)] for i in range(accumulation)]
        count = sum(label != -100 for batch in group for row in batch["labels"] for label in row[1:])
        loss = 0.0
        for batch in group:
            share = summed_loss(model, batch)[0] / count
            share.backward()
            loss += float(share.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(trainable, TRAINING["maxGradientNorm"]))
        history.append({"step": step + 1, "loss": loss, "gradientNorm": norm, "learningRate": schedule.get_last_lr()[0], "labelledTokens": count})
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "test/fixtures/parity")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "README.md").write_text(README)

    tied = save_checkpoint(make_model(tied=True, seed=11), out / "tied", torch.float32)
    half = save_checkpoint(tied, out / "tied-f16", torch.float16)
    brain = save_checkpoint(tied, out / "tied-bf16-sharded", torch.bfloat16, shard="24KB")
    untied = save_checkpoint(make_model(tied=False, seed=12), out / "untied", torch.float32)
    config_path = out / "untied/config.json"
    config = json.loads(config_path.read_text())
    rope = config.pop("rope_parameters")
    write_json(config_path, {**config, "rope_theta": rope["rope_theta"]})

    adapted = make_adapter(out / "tied", seed=14)
    save_adapter(adapted, out / "adapter")

    generator = torch.Generator().manual_seed(13)
    batch = pad([make_row(generator, 17, 9), make_row(generator, 11, 4)])
    micro_batches = [
        pad([make_row(generator, 8 + (3 * i) % 11, 3 + i % 5), make_row(generator, 6 + (5 * i) % 13, 2 + i % 4)])
        for i in range(4)
    ]  # two steps' worth, seen five times, so that the loss falls
    peers = {"tied": tied, "tied-f16": half, "tied-bf16-sharded": brain, "untied": untied, "adapter": adapted}
    answers = greedy_without_ties(list(peers.values()), seed=100)
    save_file({name: logits_of_rows(model, batch) for name, model in peers.items()}, out / "logits.safetensors")
    numbers = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
        "batch": batch,
        "models": {
            name: {"loss": float(mean_loss(model, batch).detach()), "greedy": answer}
            for (name, model), answer in zip(peers.items(), answers)
        },
    }
    for name, model in peers.items():
        median = float(gaps(model, batch).median())
        print(f"{name}: loss {numbers['models'][name]['loss']:.4f}, median gap of the two best logits {median:.3f}")
        assert median > 0.1

    mean_loss(tied, batch).backward()
    save_file(gradients(tied), out / "tied-gradients.safetensors")
    mean_loss(adapted, batch).backward()
    save_file(gradients(adapted), out / "adapter-gradients.safetensors")
    adapted.zero_grad(set_to_none=True)
    numbers["training"] = {"settings": TRAINING, "microBatches": micro_batches, "history": train(adapted, micro_batches)}
    numbers["training"]["finalLossOfBatch"] = float(mean_loss(adapted, batch).detach())
    save_adapter(adapted, out / "adapter-final")
    (out / "numbers.json").write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
    for path in out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    print(json.dumps([round(step["loss"], 4) for step in numbers["training"]["history"]]))
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
