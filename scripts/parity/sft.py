#!/usr/bin/env python3
"""Trains an adapter with TRL's SFTTrainer, and says the loss of every step.

    python scripts/parity/sft.py BASE ADAPTER JOB.json OUT.json

ADAPTER is a PEFT folder to start from. JOB.json holds `rows` of {prompt, completion} (plain text, in the order to be
taken; the loss is on the completions) and `settings` under aftertune's names. Needs torch, transformers, peft, trl,
datasets, and bitsandbytes for adamw8bit. Everything is float32 on the CPU.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

OPTIMIZERS = {"adamw": "adamw_torch", "adamw8bit": "adamw_8bit"}


class InOrder(SFTTrainer):
    """Takes the rows as they come."""

    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(dataset if dataset is not None else self.train_dataset)


def main(base: str, adapter: str, job: str, out: str) -> None:
    torch.set_num_threads(2)
    given = json.loads(Path(job).read_text())
    settings = given["settings"]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter, is_trainable=True
    )
    with tempfile.TemporaryDirectory() as scratch:
        config = SFTConfig(
            output_dir=scratch,
            max_steps=settings["steps"],
            per_device_train_batch_size=settings["batchSize"],
            gradient_accumulation_steps=settings["gradientAccumulation"],
            learning_rate=settings["learningRate"],
            warmup_steps=settings["warmupSteps"],
            lr_scheduler_type=settings["schedule"],
            weight_decay=settings["weightDecay"],
            max_grad_norm=settings["maxGradientNorm"],
            optim=OPTIMIZERS[settings["optimizer"]],
            max_length=settings["maxLength"],
            completion_only_loss=True,
            packing=False,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = InOrder(model, config, train_dataset=Dataset.from_list(given["rows"]), processing_class=tokenizer)
        trainer.train()
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    # The trainer's number of the data set's tokens that carry loss, to see that the same ones do here and there.
    masks = [row.get("completion_mask") or [label != -100 for label in row["labels"]] for row in trainer.train_dataset]
    result = {
        "history": [{"loss": s["loss"], "gradientNorm": float(s["grad_norm"]), "learningRate": s["learning_rate"]} for s in steps],
        "labelledTokens": [int(sum(mask)) for mask in masks],
    }
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
