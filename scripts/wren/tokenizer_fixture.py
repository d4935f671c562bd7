"""Fills test/fixtures/wren/tokenizer.json with the ids that transformers gives.

Usage: python scripts/wren/tokenizer_fixture.py TOKENIZER_DIRECTORY
where the directory holds the tokenizer that byte-pair.ts trains on the fixture's texts:
node scripts/wren/write-fixture-tokenizer.mjs TOKENIZER_DIRECTORY (after npm run build).
"""

import json
import pathlib
import sys

from transformers import AutoTokenizer

fixture = pathlib.Path(__file__).parents[2] / "test/fixtures/wren/tokenizer.json"
document = json.loads(fixture.read_text())
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for case in document["cases"]:
    case["ids"] = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(case["ids"]) == case["text"], case
messages = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 12 plus 30?"},
    {"role": "assistant", "content": "42"},
    {"role": "user", "content": "It's {{ odd }}\n"},
]
document["chat"] = {
    "messages": messages,
    "text": tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True),
}
fixture.write_text(json.dumps(document, indent=1) + "\n")
print(len(document["cases"]), "cases")
