"""Writes test/fixtures/choices.json: which choice lm-evaluation-harness picks, by its own process_results.

Run with lm_eval 0.4.13 and numpy installed; the likelihoods are drawn by a seed, the texts are made up here.
"""
import json
import random
import sys
from types import SimpleNamespace

import lm_eval
from lm_eval.api.task import ConfigurableTask

draw = random.Random(7)
texts = ["oak", "élan", "a long, winding answer", "日本語", "x", "🌊 wave", "The larch.", "It is not known"]


def pick(choices, lls, gold):
    """process_results of a multiple-choice task without a data set behind it."""
    task = SimpleNamespace(
        OUTPUT_TYPE="multiple_choice",
        _metric_fn_list={"acc": None, "acc_norm": None, "acc_bytes": None},
        doc_to_choice=lambda doc: choices,
        doc_to_target=lambda doc: gold,
        multiple_input=False,
        multiple_target=isinstance(gold, list),
        config=SimpleNamespace(use_prompt=None, process_results=None, repeats=1),
    )
    found = ConfigurableTask.process_results(task, {}, [(ll, False) for ll in lls])
    return [found["acc"], found["acc_norm"], found["acc_bytes"]]


cases = []
for number in range(40):
    choices = draw.sample(texts, draw.choice([2, 3, 4, 5]))
    lls = [-draw.uniform(0.5, 30) for _ in choices]
    if number % 5 == 0:
        lls[-1] = max(lls[:-1])  # a tie on the sum, if nothing is larger
        lls[0] = lls[-1]
    gold = draw.randrange(len(choices)) if number % 4 else sorted(draw.sample(range(len(choices)), 2))
    cases.append({"choices": choices, "logProbabilities": lls, "gold": gold, "right": pick(choices, lls, gold)})
json.dump(
    {"source": f"lm_eval {lm_eval.__version__}, ConfigurableTask.process_results", "cases": cases},
    open(sys.argv[1] if len(sys.argv) > 1 else "test/fixtures/choices.json", "w"),
    ensure_ascii=False,
    indent=1,
)
