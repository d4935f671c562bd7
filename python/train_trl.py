#!/usr/bin/env python3
"""Trains a LoRA adapter with TRL, on rows that aftertune has tokenised and labelled.

    python train_trl.py config.json [--base FOLDER_OR_NAME]

Beside config.json lie rows.jsonl and held-out.jsonl (token ids and labels, in the order they are taken) and initial/
(the adapter that training begins with). This script adds progress.jsonl (a line for every step), checkpoints/,
adapter/ (a PEFT folder) and, last of all, finished.json. Started again, it goes on from the last checkpoint.
--base names the base model where it lies elsewhere on this machine.

Needs torch, transformers, peft, trl and datasets; bitsandbytes for 8-bit AdamW and NF4. Runs alone or under
accelerate launch and torchrun, on however many processes divide the rows of a step. What it writes is beside
config.json, so where a cluster works on a copy of this folder, the copy has to be brought back.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel, prepare_model_for_kbit_training
from torch.nn.functional import cross_entropy
from torch.utils.data import SequentialSampler
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

OPTIMIZERS = {"adamw": "adamw_torch", "adamw8bit": "adamw_8bit"}
SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup"}
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes")


class InOrder(SFTTrainer):
    """Takes the rows as they come: their order was decided before."""

    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(dataset if dataset is not None else self.train_dataset)


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def collate(rows):
    """Padded on the right; a padded place carries no loss."""
    length = max(len(row["input_ids"]) for row in rows)
    pad = lambda values, filler: values + [filler] * (length - len(values))
    return {
        "input_ids": torch.tensor([pad(row["input_ids"], 0) for row in rows]),
        "labels": torch.tensor([pad(row["labels"], -100) for row in rows]),
        "attention_mask": torch.tensor([pad([1] * len(row["input_ids"]), 0) for row in rows]),
    }


def layout(settings, processes):
    """Rows per device and accumulation, so that a step has the same rows on any number of processes."""
    rows = settings["batchSize"] * settings["gradientAccumulation"]
    for size in range(min(settings["batchSize"], rows // processes), 0, -1):
        if rows % (size * processes) == 0:
            return size, rows // (size * processes)
    raise SystemExit(f"{rows} rows a step cannot be shared by {processes} processes: training.batchSize × gradientAccumulation must be a multiple")


def held_out_loss(trainer, rows, size):
    """Mean negative log-likelihood per labelled token."""
    model = trainer.model_wrapped
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad(), trainer.compute_loss_context_manager():
        for at in range(0, len(rows), size):
            batch = {name: value.to(trainer.args.device) for name, value in collate(rows[at : at + size]).items()}
            labels = batch.pop("labels")[:, 1:].flatten()
            logits = model(**batch).logits[:, :-1].flatten(0, 1).float()
            total += float(cross_entropy(logits, labels, ignore_index=-100, reduction="sum"))
            count += int((labels != -100).sum())
    model.train()
    # One number for all processes, or some might stop early and others wait for them.
    return float(trainer.accelerator.reduce(torch.tensor(total / count, device=trainer.args.device), "mean"))


class Progress(TrainerCallback):
    """Writes a line for every step, asks the held-out rows, keeps the best adapter and stops early."""

    def __init__(self, folder, settings, held_out, done):
        self.path, self.best = folder / "progress.jsonl", folder / "best"
        self.settings, self.held_out = settings, held_out
        self.losses = [line["evaluationLoss"] for line in done if "evaluationLoss" in line]
        self.evaluation = None
        self.trainer = None

    def on_step_end(self, args, state, control, **_):
        every, stopping = self.settings["evaluateEvery"], self.settings["earlyStopping"]
        self.evaluation = None
        if not every or (state.global_step % every and state.global_step != self.settings["steps"]):
            return
        self.evaluation = held_out_loss(self.trainer, self.held_out, args.per_device_train_batch_size)
        if stopping and self.evaluation < min(self.losses, default=math.inf):
            self.trainer.save_model(str(self.best))
        self.losses.append(self.evaluation)
        if stopping and has_stalled(self.losses, **stopping):
            control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or "loss" not in logs:
            return
        line = {"step": state.global_step, "loss": logs["loss"], "gradientNorm": float(logs["grad_norm"]), "learningRate": logs["learning_rate"]}
        if self.evaluation is not None:
            line["evaluationLoss"] = self.evaluation
        if not all(math.isfinite(value) for value in line.values()):
            raise SystemExit(f"training diverged at step {state.global_step}: {line}")
        if state.is_world_process_zero:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def has_stalled(losses, patience, minDelta):
    best, waited = math.inf, 0
    for loss in losses:
        waited = 0 if loss < best - minDelta else waited + 1
        best = min(best, loss)
    return waited >= patience


def load_model(base, folder, precision):
    quantised = getattr(AutoConfig.from_pretrained(base), "quantization_config", None) is not None
    options = {"dtype": torch.float32 if precision == "float32" else torch.bfloat16}
    if precision == "nf4" and not quantised:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
        )
    if torch.cuda.is_available() and (quantised or precision == "nf4"):
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    model = AutoModelForCausalLM.from_pretrained(base, **options)
    if quantised or precision == "nf4":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if torch.cuda.is_available():
        model.enable_input_require_grads()  # for gradient checkpointing over a base that is not trained
    return PeftModel.from_pretrained(model, folder / "initial", is_trainable=True)


def last_checkpoint(folder):
    """The newest one that was written whole: trainer_state.json is written last."""
    whole = [path.parent for path in (folder / "checkpoints").glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def read_progress(folder, checkpoint, first):
    """The lines up to the checkpoint; the first process drops those behind it."""
    path = folder / "progress.jsonl"
    step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    kept = [line for line in lines if line["step"] <= step]
    if first:
        replace(path, "".join(json.dumps(line) + "\n" for line in kept))
    return kept


def replace(path, text):
    """At once: another process, or aftertune, may be reading."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.rename(path)


def end_with_parent():
    """A training whose aftertune was killed ends too, so that the next one does not run beside it."""
    parent = os.environ.get("AFTERTUNE_PARENT")

    def watch():
        while True:
            try:
                os.kill(int(parent), 0)
            except ProcessLookupError:
                os._exit(1)
            time.sleep(1)

    if parent:
        threading.Thread(target=watch, daemon=True).start()


def lock(folder):
    """One training at a time: a cluster's job goes on when whoever handed it in is stopped. Held until the process ends."""
    if fcntl is None:
        return None
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("another process trains in this folder")
    return file


def prepare_fsdp():
    """Trainer writes the adapter only where the state is asked for whole; under FSDP 1 it wrote one without values."""
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise SystemExit("FSDP 1 loses the adapter")
    os.environ["FSDP_STATE_DICT_TYPE"] = "FULL_STATE_DICT"


def versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--base")
    options = parser.parse_args()
    end_with_parent()
    folder = Path(options.config).resolve().parent
    settings = json.loads(Path(options.config).read_text())
    base = options.base or (settings["base"]["path"] if Path(settings["base"]["path"]).exists() else settings["base"]["name"])
    cuda = torch.cuda.is_available()
    first = os.environ.get("RANK", "0") == "0"
    prepare_fsdp()
    held = lock(folder) if first else None
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    size, accumulation = layout(settings, processes)
    checkpoint = last_checkpoint(folder)
    progress = Progress(folder, settings, read_rows(folder / "held-out.jsonl"), read_progress(folder, checkpoint, first))
    config = SFTConfig(
        output_dir=str(folder / "checkpoints"),
        max_steps=settings["steps"],
        per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulation,
        average_tokens_across_devices=True,
        learning_rate=settings["learningRate"],
        warmup_steps=settings["warmupSteps"],
        lr_scheduler_type=SCHEDULES[settings["schedule"]],
        weight_decay=settings["weightDecay"],
        max_grad_norm=settings["maxGradientNorm"] or 1e30,  # no clipping, and still a norm to tell
        optim=OPTIMIZERS[settings["optimizer"]],
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        bf16=settings["precision"] != "float32",
        use_cpu=not cuda,
        gradient_checkpointing=cuda,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if settings["checkpointEvery"] else "no",
        save_steps=settings["checkpointEvery"] or 1,
        save_total_limit=1,
        seed=settings["seed"],
        report_to="none",
        disable_tqdm=True,
    )
    if config.world_size != processes:
        raise SystemExit(f"WORLD_SIZE says {processes} processes, torch says {config.world_size}")
    trainer = InOrder(
        load_model(base, folder, settings["precision"]),
        config,
        train_dataset=Dataset.from_list(read_rows(folder / "rows.jsonl")),
        data_collator=collate,
        processing_class=AutoTokenizer.from_pretrained(base),
        callbacks=[progress],
    )
    progress.trainer = trainer
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not settings["earlyStopping"]:
        trainer.save_model(str(folder / "adapter"))
    trainer.accelerator.wait_for_everyone()
    if not first:
        return
    if settings["earlyStopping"]:
        shutil.copytree(folder / "best", folder / "adapter", dirs_exist_ok=True)  # killed behind this, it needs best again
    finished = {
        "job": settings["job"],
        "adapterSha256": hashlib.sha256((folder / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "versions": versions(),
    }
    replace(folder / "finished.json", json.dumps(finished) + "\n")
    if held:
        held.close()


if __name__ == "__main__":
    main()
