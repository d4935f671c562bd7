#!/usr/bin/env python3
"""Makes test/fixtures/rope-llama3.json: what transformers computes with rotary positions stretched as in Llama 3.1.

    python scripts/parity/rope.py

Frequencies for the published settings of Llama 3.1 8B and 3.2 1B, and the last logits of the tiny checkpoint
test/fixtures/parity/tied under a scaling that changes it. Needs torch and transformers.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

ROOT = Path(__file__).resolve().parents[2] / "test/fixtures"
PUBLISHED = {
    "Llama-3.1-8B": dict(head=128, theta=500000.0, factor=8.0),
    "Llama-3.2-1B": dict(head=64, theta=500000.0, factor=32.0),
}
TINY = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
IDS = [1, 70, 75, 80, 12, 200, 33, 90, 91, 92, 93, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 2]


def frequencies(head: int, theta: float, factor: float) -> list[float]:
    scaling = {**TINY, "factor": factor, "original_max_position_embeddings": 8192, "rope_theta": theta}
    config = LlamaConfig(hidden_size=head, num_attention_heads=1, head_dim=head, max_position_embeddings=131072, rope_parameters=scaling)
    inverse, attention = ROPE_INIT_FUNCTIONS["llama3"](config, device="cpu")
    assert attention == 1.0
    return inverse.double().tolist()


def tiny_logits() -> list[float]:
    config = LlamaConfig.from_pretrained(ROOT / "parity/tied")
    config.rope_parameters = {**TINY, "rope_theta": config.rope_parameters["rope_theta"]}
    model = LlamaForCausalLM.from_pretrained(ROOT / "parity/tied", config=config, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0, -1].tolist()


published = {name: {**settings, "frequencies": frequencies(**settings)} for name, settings in PUBLISHED.items()}
document = dict(transformers=transformers.__version__, published=published, tiny=dict(scaling=TINY, ids=IDS, logits=tiny_logits()))
(ROOT / "rope-llama3.json").write_text(json.dumps(document) + "\n")
