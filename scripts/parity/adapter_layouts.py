#!/usr/bin/env python3
"""Makes test/fixtures/adapters: adapter folders as people's trainers leave them, written by PEFT itself.

    python scripts/parity/adapter_layouts.py [--out test/fixtures/adapters]

For the tiny Llama of test/fixtures/parity/tied. expected.json has, for every folder that is read, the update of each
module that PEFT computes (its Frobenius norm and its first value); refused.json has the configs of what is refused.
Needs torch, transformers, peft, safetensors. Seeded.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

BASE = "test/fixtures/parity/tied"
# As Unsloth writes target_modules: one pattern over the model's parts.
UNSLOTH = r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?(?:k_proj|v_proj|q_proj|o_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\.(?:(?:k_proj|v_proj|q_proj|o_proj)))"
READ = {
    "unsloth": dict(target_modules=UNSLOTH),
    "all-linear": dict(target_modules="all-linear", use_rslora=True),
    "excluded": dict(target_modules=["q_proj", "down_proj"], exclude_modules=["layers.0.self_attn.q_proj"]),
    "excluded-pattern": dict(target_modules=["q_proj", "up_proj"], exclude_modules=r".*\.1\.mlp\..*"),
    "full-names": dict(target_modules=["model.layers.0.self_attn.q_proj", "1.mlp.up_proj", "self_attn.v_proj"]),
    "layers": dict(target_modules=["q_proj"], layers_to_transform=[1], layers_pattern="layers"),
    "state-dict": dict(target_modules=["q_proj", "v_proj"]),
}
REFUSED = {
    "use_dora": dict(use_dora=True),
    "modules_to_save": dict(modules_to_save=["lm_head"]),
    "trainable_token_indices": dict(trainable_token_indices=[1, 2]),
    "lora_bias": dict(lora_bias=True),
    "init_lora_weights": dict(init_lora_weights="pissa"),
    "bias": dict(bias="all"),
    "target_modules": dict(target_modules=["q_proj", "embed_tokens"]),
}


def trained(options):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.name_or_path = "unsloth/tiny-llama-bnb-4bit"
    config = LoraConfig(**{"task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 6, "target_modules": ["q_proj"], **options})
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model


def updates(model):
    found = {}
    for name, module in model.get_base_model().named_modules():
        if hasattr(module, "get_delta_weight"):
            delta = module.get_delta_weight("default")
            found[name] = {"norm": float(delta.norm()), "first": float(delta[0, 0])}
    return found


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    expected, refused = {}, {}
    for name, options in READ.items():
        model = trained(options)
        model.save_pretrained(out / name)
        (out / name / "README.md").unlink(missing_ok=True)
        if name == "state-dict":  # what a wrapped model's own state dict holds
            weights = {key: value.contiguous() for key, value in model.state_dict().items() if "lora_" in key}
            wrapped = {key.replace("base_model.", "_fsdp_wrapped_module.base_model.", 1): value for key, value in weights.items()}
            save_file(wrapped, out / name / "adapter_model.safetensors")
        expected[name] = updates(model)
    for name, options in REFUSED.items():
        with tempfile.TemporaryDirectory() as scratch:
            trained(options).save_pretrained(scratch)
            refused[name] = json.loads((Path(scratch) / "adapter_config.json").read_text())
    # torchtune's own names; its rows of q_proj and k_proj are in another order.
    (out / "torchtune").mkdir()
    weights = load_file(out / "layers" / "adapter_model.safetensors")
    renamed = {f"layers.1.attn.q_proj.lora_{'a' if 'lora_A' in key else 'b'}.weight": value for key, value in weights.items()}
    save_file(renamed, out / "torchtune" / "adapter_model.safetensors")
    config = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj"], "peft_type": "LORA"}
    (out / "torchtune" / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    (out / "refused.json").write_text(json.dumps(refused, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("test/fixtures/adapters"))
    main(parser.parse_args().out)
