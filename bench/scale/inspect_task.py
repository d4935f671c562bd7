"""Asks the prompts of a file once each by Inspect AI: inspect_task.py PROMPTS CONNECTIONS"""

import json
import sys

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

prompts = json.load(open(sys.argv[1], encoding="utf-8"))
task = Task(
    dataset=MemoryDataset([Sample(input=prompt, target="cannot") for prompt in prompts]),
    solver=generate(),
    scorer=includes(),
    config=GenerateConfig(max_tokens=16, temperature=0.0),
)
connections = int(sys.argv[2])
plain = {"responses_api": False}
[log] = eval(task, model="openai/mock", model_args=plain, max_connections=connections, display="none")
if log.status != "success":
    sys.exit(f"Inspect ended with {log.status}: {log.error}")
