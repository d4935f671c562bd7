#!/usr/bin/env python3
"""Makes test/fixtures/scoring.json: what transformers says of truncated sampling, of given continuations, of the first
token's probability mass and of hidden states, for the tiny checkpoints of test/fixtures/parity.

    python scripts/parity/scoring.py [--out test/fixtures/scoring.json]

Needs torch, transformers, peft. Seeded; float32 on the CPU. Prompts are token ids, as everywhere in those fixtures.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig

PARITY = Path("test/fixtures/parity")
SAMPLING = [
    {"temperature": 1.0},
    {"temperature": 0.6},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 1.7, "top_k": 20, "top_p": 0.9},
    {"temperature": 0.7, "top_k": 12, "top_p": 0.7, "min_p": 0.2},
    {"temperature": 2.0, "top_p": 0.95, "min_p": 0.3},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.05},
]


def rounded(values: torch.Tensor) -> list:
    return json.loads(json.dumps(values.tolist()), parse_float=lambda text: float(f"{float(text):.7g}"))


def sampling(model) -> dict:
    """Logits with equal values among them, and the probabilities that `generate`'s own warpers, in its order, leave."""
    generator = torch.Generator().manual_seed(5)
    logits = 2.5 * torch.randn(4, 40, generator=generator)
    logits[1, 7] = logits[1, 11] = logits[1].sort().values[-5]  # three equal ones around the fifth place
    logits = torch.tensor(rounded(logits))
    cases = []
    for settings in SAMPLING:
        config = GenerationConfig(do_sample=True, **{"top_k": 0, **settings})
        model.generation_config = config
        processors = model._get_logits_processor(config, input_ids_seq_length=1, device="cpu")
        warped = processors(torch.zeros(4, 1, dtype=torch.long), logits.clone())
        cases.append({"settings": settings, "probabilities": rounded(warped.softmax(-1))})
    return {"logits": rounded(logits), "cases": cases}


def scores_of(model, prompt: list[int], continuation: list[int]) -> dict:
    """The contract of lm-evaluation-harness's loglikelihood: Σ ln p of the continuation, and whether it is greedy."""
    ids = torch.tensor([prompt + continuation])
    with torch.no_grad():
        log_probabilities = model(ids[:, :-1]).logits[0].log_softmax(-1)[len(prompt) - 1 :]
    targets = torch.tensor(continuation)
    taken = log_probabilities.gather(1, targets[:, None])[:, 0]
    return {
        "tokens": continuation,
        "logProbabilities": rounded(taken),
        "total": float(taken.sum()),
        "greedy": bool((log_probabilities.argmax(-1) == targets).all()),
    }


def greedy(model, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def model_numbers(model, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda length: torch.randint(3, 259, (length,), generator=generator).tolist()
    prompts = [draw(length) for length in (1, 9, 44)]
    asked = []
    for prompt in prompts:
        own = greedy(model, prompt, 4)
        continuations = [own, own[:2] + draw(3), draw(1), draw(6)]
        asked.append({"prompt": prompt, "continuations": [scores_of(model, prompt, tokens) for tokens in continuations]})
    token_set = sorted(set(draw(12)))
    states = []
    masses = []
    for prompt in prompts:
        with torch.no_grad():
            output = model(torch.tensor([prompt]), output_hidden_states=True)
        inside = output.logits[0, -1].double().softmax(-1)[token_set].sum()
        masses.append({"probability": float(inside), "logOdds": float(torch.logit(inside))})
        layers = output.hidden_states
        assert len(layers) == model.config.num_hidden_layers + 1
        states.append([rounded(layer[0, -1]) for layer in layers])
    return {"asked": asked, "tokenSet": token_set, "masses": masses, "lastStates": states}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="test/fixtures/scoring.json", type=Path)
    out = parser.parse_args().out
    load = lambda name: AutoModelForCausalLM.from_pretrained(
        PARITY / name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    adapted = PeftModel.from_pretrained(load("tied"), PARITY / "adapter").eval()
    numbers = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "sampling": sampling(load("tied")),
        "models": {
            "tied": model_numbers(load("tied"), 31),
            "untied": model_numbers(load("untied"), 32),
            "adapter": model_numbers(adapted, 33),
        },
    }
    out.write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
