#!/usr/bin/env python3
"""One measurement of a peer, as JSON on stdout: python bench/peers/theirs.py TASK SETTINGS.json

TASK is train, real (PEFT's own loop over transformers), generate or answer (transformers), or llama (llama.cpp).
Warm-up is not counted. Threads, rows, prompts and stop rule are those of SETTINGS.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

settings = json.loads(Path(sys.argv[2]).read_text())
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = str(settings["threads"])


def load_model():
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(settings["threads"])
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32, attn_implementation="sdpa")
    return torch, model


def step_batches(torch, rows):
    """Right padding, labels as transformers has them."""
    longest = max(len(row["ids"]) for row in rows)
    ids, labels, mask = [], [], []
    for row in rows:
        gap = longest - len(row["ids"])
        ids.append(row["ids"] + [0] * gap)
        labels.append([-100] * (len(row["ids"]) - row["labelled"]) + row["ids"][len(row["ids"]) - row["labelled"] :] + [-100] * gap)
        mask.append([1] * len(row["ids"]) + [0] * gap)
    return torch.tensor(ids), torch.tensor(labels), torch.tensor(mask)


def train() -> dict:
    torch, base = load_model()
    from peft import PeftModel

    model = PeftModel.from_pretrained(base, settings["adapter"], is_trainable=True)
    model.train()
    options = settings["training"]
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=options["learningRate"], weight_decay=options["weightDecay"])
    bf16 = settings.get("autocast", False)
    rows, size, per_step = settings["rows"], options["batchSize"], options["batchSize"] * options["gradientAccumulation"]
    losses, tokens, seconds = [], [], []
    for step in range(options["steps"]):
        own = [rows[(step * per_step + i) % len(rows)] for i in range(per_step)]
        count = sum(row["labelled"] for row in own)
        if settings.get("groupByLength"):
            own = sorted(own, key=lambda row: len(row["ids"]))
        start = time.perf_counter()
        total = 0.0
        for at in range(0, per_step, size):
            ids, labels, mask = step_batches(torch, own[at : at + size])
            padded = bool((mask == 0).any())
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                logits = model(input_ids=ids, attention_mask=mask if padded else None).logits
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
            )
            (loss / count).backward()
            total += float(loss.detach()) / count
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        losses.append(total)
        tokens.append(sum(len(row["ids"]) for row in own))
    warmup = settings["warmup"]
    return {"tokensPerSecond": sum(tokens[warmup:]) / sum(seconds[warmup:]), "losses": losses}


def generate() -> dict:
    """Batched, left-padded, with the ten largest log-probabilities of every step."""
    torch, model = load_model()
    model.eval()

    def run(batch, count):
        longest = max(map(len, batch))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in batch])
        with torch.inference_mode():
            out = model.generate(
                ids, attention_mask=mask, max_new_tokens=count, do_sample=False, eos_token_id=None, pad_token_id=0,
                output_scores=True, return_dict_in_generate=True,
            )  # fmt: skip
            tops = [scores.log_softmax(-1).topk(10) for scores in out.scores]
        assert len(tops) == count
        return out.sequences[:, longest:].tolist()

    prompts, size = settings["prompts"], settings["batch"]
    run(prompts[:size], 4)
    start = time.perf_counter()
    tokens = [row for at in range(0, len(prompts), size) for row in run(prompts[at : at + size], settings["newTokens"])]
    return {"tokensPerSecond": sum(map(len, tokens)) / (time.perf_counter() - start), "tokens": tokens}


def answer() -> dict:
    """One generate call for each question, as the paper's notebook does it."""
    torch, model = load_model()
    from transformers import AutoTokenizer

    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])

    def ask(messages, count):
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(
                **inputs, max_new_tokens=count, do_sample=False, output_scores=True, return_dict_in_generate=True,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
            for scores in out.scores:
                scores.softmax(-1).topk(10)
        return tokenizer.decode(out.sequences[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    ask(settings["messages"][0], 2)
    start = time.perf_counter()
    texts = [ask(messages, settings["newTokens"]) for messages in settings["messages"]]
    return {"seconds": time.perf_counter() - start, "texts": texts}


def llama() -> dict:
    """llama.cpp through its C interface: as many sequences in one batch as are asked for, greedy."""
    import ctypes

    import llama_cpp
    import numpy as np

    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(settings["model"].encode(), parameters)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    size, count = settings["batch"], settings["newTokens"]
    context_parameters = llama_cpp.llama_context_default_params()
    context_parameters.n_ctx = size * 256
    context_parameters.n_batch = context_parameters.n_ubatch = 512
    context_parameters.n_seq_max = size
    context_parameters.n_threads = context_parameters.n_threads_batch = settings["threads"]
    context = llama_cpp.llama_init_from_model(model, context_parameters)
    batch = llama_cpp.llama_batch_init(512, 0, 1)

    def decode(entries) -> list:
        """Entries (token, position, sequence, wants logits), in pieces; the arg max of those that want one."""
        best = []
        for at in range(0, len(entries), 512):
            piece = entries[at : at + 512]
            batch.n_tokens = len(piece)
            for i, (token, position, sequence, wanted) in enumerate(piece):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
                batch.seq_id[i][0] = sequence
            assert llama_cpp.llama_decode(context, batch) == 0
            for i, (*_, wanted) in enumerate(piece):
                if wanted:
                    row = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, i), shape=(vocabulary,))
                    top = np.argpartition(row, -10)[-10:]  # the ten largest, as the others give them
                    best.append(int(top[row[top].argmax()]))
        return best

    def run(prompts, count):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        entries = [(token, i, s, i == len(row) - 1) for s, row in enumerate(prompts) for i, token in enumerate(row)]
        last = decode(entries)
        answers = [[token] for token in last]
        for step in range(1, count):
            last = decode([(last[s], len(row) + step - 1, s, True) for s, row in enumerate(prompts)])
            for s, token in enumerate(last):
                answers[s].append(token)
        return answers

    prompts = settings["prompts"]
    run(prompts[:size], 4)
    start = time.perf_counter()
    tokens = [row for at in range(0, len(prompts), size) for row in run(prompts[at : at + size], count)]
    return {"tokensPerSecond": sum(map(len, tokens)) / (time.perf_counter() - start), "tokens": tokens}


def versions() -> dict:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "transformers", "peft", "trl", "llama-cpp-python"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return {"versions": found}


if __name__ == "__main__":
    tasks = {"train": train, "generate": generate, "answer": answer, "llama": llama, "versions": versions}
    result = tasks[sys.argv[1]]()
    print(json.dumps({**result, "peakMegabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
