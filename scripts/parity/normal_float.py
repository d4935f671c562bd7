#!/usr/bin/env python3
"""Makes test/fixtures/normal-float: a tiny random Llama quantised by bitsandbytes to 4-bit NormalFloat with nested
quantisation, in the layout of published QLoRA bases, and what transformers and PEFT compute with it.

    python scripts/parity/normal_float.py [--out test/fixtures/normal-float]

Needs torch, transformers, bitsandbytes (its CPU kernels), peft, safetensors. Arithmetic is float32: the weights are
dequantised by bitsandbytes itself.
"""

import argparse
import json
import math
import shutil
import tempfile
import warnings
from pathlib import Path

import bitsandbytes
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VOCABULARY = 96


def make_base(folder: Path) -> None:
    """Several times 256 blocks of 64 in the MLP, so that the nested level has more than one factor."""
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=320, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=1,
        eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(21)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name:
                weight.copy_(1 + 0.2 * noise)
            else:
                weight.copy_((0.5 if "embed" in name else 1.5 / math.sqrt(weight.shape[1])) * noise)
    model.to(torch.bfloat16).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "test/fixtures/normal-float")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    shutil.rmtree(out, ignore_errors=True)
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as plain:
        make_base(Path(plain))
        quantised = AutoModelForCausalLM.from_pretrained(plain, quantization_config=settings, dtype=torch.bfloat16, device_map="cpu")
        quantised.save_pretrained(out)
    # Read back, dequantised by bitsandbytes into float32 layers.
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, device_map="cpu")
    weights = {}
    for name, module in model.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = module.weight
            # In float32: the state of a saved model asks for bfloat16, which would round what the codes mean.
            state = weight.quant_state
            state.dtype = torch.float32
            weights[name + ".weight"] = bitsandbytes.functional.dequantize_4bit(weight.data, state).reshape(state.shape).clone()
    plain_config = LlamaConfig(**{k: v for k, v in model.config.to_dict().items() if k != "quantization_config"})
    plain_config._attn_implementation = "eager"
    reference = LlamaForCausalLM(plain_config).float().eval()
    state = {name: tensor.float() for name, tensor in model.state_dict().items() if name in reference.state_dict() and tensor.is_floating_point()}
    state.update(weights)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    reference.load_state_dict(state, strict=True)

    generator = torch.Generator().manual_seed(22)
    draw = lambda length: torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()
    row, labelled = draw(24), 10
    tensors = {f"weight.{name}": tensor for name, tensor in weights.items() if ".0." in name and ("q_proj" in name or "up_proj" in name)}
    with torch.no_grad():
        tensors["logits"] = reference(torch.tensor([row])).logits[0]
    adapted = get_peft_model(reference, LoraConfig(r=2, lora_alpha=3, target_modules=SEVEN, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                scale = 1 / math.sqrt(weight.shape[1]) if "lora_A" in name else 0.2
                weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    logits = adapted(torch.tensor([row])).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[-labelled - 1 : -1], torch.tensor(row[-labelled:]))
    loss.backward()
    for name, parameter in adapted.named_parameters():
        if parameter.grad is not None:
            tensors[name.replace(".default.", ".")] = parameter.grad.clone().contiguous()
    save_file(tensors, out / "expected.safetensors")
    adapted.peft_config["default"].base_model_name_or_path = "normal-float"
    adapted.save_pretrained(out / "adapter")
    (out / "adapter/README.md").unlink(missing_ok=True)
    versions = {m.__name__: m.__version__ for m in (torch, transformers, bitsandbytes, peft)}
    (out / "numbers.json").write_text(json.dumps({"versions": versions, "row": row, "labelled": labelled, "loss": float(loss.detach())}) + "\n")


if __name__ == "__main__":
    main()
