"""Asks a server through clients that nobody here wrote: clients.py openai|inspect URL QUESTIONS; prints JSON."""

import json
import os
import sys

kind, url, questions = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


def by_openai():
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    answers = []
    for question in questions:
        asked = dict(model="wren", messages=[{"role": "user", "content": question}], temperature=0, max_tokens=24)
        whole = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
        chunks = client.chat.completions.create(**asked, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert streamed == whole.choices[0].message.content
        assert all(len(token.top_logprobs) == 3 for token in whole.choices[0].logprobs.content)
        answers.append(streamed)
    scored = client.completions.create(model="wren", prompt=questions, max_tokens=0, echo=True, logprobs=2)
    assert [choice.text for choice in scored.choices] == questions
    assert all(choice.logprobs.token_logprobs[0] is None for choice in scored.choices)
    assert [model.id for model in client.models.list()] == ["wren"]
    return answers


def by_inspect():
    os.environ["LOCAL_BASE_URL"] = url
    os.environ["LOCAL_API_KEY"] = "none"
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig
    from inspect_ai.solver import generate

    task = Task(
        dataset=[Sample(input=question, id=at + 1) for at, question in enumerate(questions)],
        solver=generate(),
        config=GenerateConfig(temperature=0, max_tokens=24),
    )
    [log] = eval(task, model="openai-api/local/wren", display="none", log_dir=os.environ["LOG_DIR"])
    assert log.status == "success", log.error
    return [sample.output.completion for sample in sorted(log.samples, key=lambda sample: sample.id)]


print(json.dumps(by_openai() if kind == "openai" else by_inspect()))
