#!/usr/bin/env python3
"""Makes test/fixtures/adamw-8bit: what bitsandbytes' AdamW8bit does with given gradients.

    python scripts/parity/adamw_8bit.py [--out test/fixtures/adamw-8bit]

Needs torch, bitsandbytes, safetensors. What is given and kept is told in the README.md that this script writes.
"""

import argparse
import json
from pathlib import Path

import bitsandbytes
import bitsandbytes.backends.cpu.ops as cpu
import torch
from bitsandbytes.functional import create_dynamic_map
from bitsandbytes.optim import AdamW8bit
from safetensors.torch import save_file

STEPS, LEARNING_RATE, WEIGHT_DECAY = 6, 1e-2, 0.05
MOMENTS = {"mean": "state1", "square": "state2"}
SIZES = {"small": 4095, "smallest": 4096, "ragged": 4100}
README = """# 8-bit AdamW

Written by `scripts/parity/adamw_8bit.py`; do not edit.

`bitsandbytes.optim.AdamW8bit` on its CPU backend, with one change: that backend rounds to the nearest of 65,536 equally
spaced points before it looks a value up, so that small values, and zero, land on the wrong entry (its zero comes back as
2e-5 of the block's largest value); the backend for GPUs, with which people train, compares with the midpoints between
entries. So the state is quantised by bitsandbytes' own exact path, which its CPU backend takes for float64 input.

`small` stays in 32 bits, `smallest` and `ragged` (with a short last block) do not. `settings.json` says steps, learning
rate, weight decay and versions; betas and epsilon are the defaults. `values.safetensors` holds

| tensor | what |
|---|---|
| `<name>.before`, `<name>.after` | the parameter before the first and after the last step |
| `<name>.gradients` | [steps, size] |
| `<name>.mean`, `<name>.square` | the state after the last step; places in the tables, as numbers, where it is quantised |
| `<name>.meanScale`, `<name>.squareScale` | each block's largest magnitude, where it is quantised |
| `signed`, `unsigned` | the tables of mean and square |
| `coarse` | largest difference of a parameter that the CPU backend's own rounding makes, per tensor |

No negative mean is so small that it would be rounded to zero: there the GPU kernel keeps the sign, the CPU one does not.
"""


def exact(values, code, absmax_out, places_out, blocksize):
    places, absmax = torch.ops.bitsandbytes.quantize_blockwise(values.double(), code, blocksize)
    places_out.copy_(places)
    absmax_out.copy_(absmax)


def run(before: dict, gradients: dict):
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in before.items()}
    optimizer = AdamW8bit(parameters.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].clone()
        optimizer.step()
    return parameters, {name: optimizer.state[parameter] for name, parameter in parameters.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "test/fixtures/adamw-8bit")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator)
    half = lambda value: value.half().float()  # what is given is stored in 16 bits
    before = {name: half(0.1 * draw(size)) for name, size in SIZES.items()}
    # Magnitudes over some decades within each block, and two blocks without any gradient at first.
    gradients = {name: half(draw(STEPS, size) * 10 ** (0.5 * draw(size)) * 1e-2) for name, size in SIZES.items()}
    gradients["ragged"][:2, 512:1024] = 0

    coarse, _ = run(before, gradients)
    cpu._quant_blockwise_fp32_direct = exact
    parameters, state = run(before, gradients)
    values = {"signed": create_dynamic_map(True), "unsigned": create_dynamic_map(False)}
    difference = lambda name: (coarse[name] - parameters[name]).abs().max().detach()
    values["coarse"] = torch.stack([difference(name) for name in SIZES])
    for name, parameter in parameters.items():
        values |= {f"{name}.before": before[name].half(), f"{name}.gradients": gradients[name].half()}
        of, quantised = state[name], state[name]["state1"].dtype == torch.uint8
        values |= {f"{name}.after": parameter.detach()}
        values |= {f"{name}.{moment}": of[key].half() if quantised else of[key] for moment, key in MOMENTS.items()}
        if quantised:
            values |= {f"{name}.meanScale": of["absmax1"], f"{name}.squareScale": of["absmax2"]}
            assert not (of["state1"] == 127).any(), "a mean was rounded to zero"
    save_file({name: value.contiguous() for name, value in values.items()}, out / "values.safetensors")
    versions = {"bitsandbytes": bitsandbytes.__version__, "torch": torch.__version__}
    settings = {"steps": STEPS, "learningRate": LEARNING_RATE, "weightDecay": WEIGHT_DECAY, "names": list(SIZES), "versions": versions}
    (out / "settings.json").write_text(json.dumps(settings, indent=1) + "\n")
    (out / "README.md").write_text(README)


if __name__ == "__main__":
    main()
