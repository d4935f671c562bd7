#!/usr/bin/env python3
"""Compares the token ids and texts of aftertune's tokenizer with transformers' on varied strings.

    python scripts/parity/compare_tokenizers.py MODEL_DIR [HOW_MANY=200]

Needs transformers, and this repository built (npm run build). Exits 1 when any string differs.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers import AutoTokenizer  # noqa: E402

ENCODE = """
import { readFileSync } from 'node:fs';
import { loadChatTokenizer } from './dist/lm/tokenizer.js';
const tokenizer = loadChatTokenizer(process.argv[1]);
const ids = JSON.parse(readFileSync(0, 'utf8')).map((text) => tokenizer.encode(text));
process.stdout.write(JSON.stringify({ ids, texts: ids.map((row) => tokenizer.decode(row)) }));
"""
FIXED = [
    "", " ", "  ", "\n", "\n\n", "\t", " \n ", "Hello", " Hello", "Hello, world!", "don't can't I'll we've they're",
    "DON'T", "3.14159", "1234567890", "  12", "a1b2c3", "12 345,67 €", "x=1;y=2", "½ ¼ ²³", "٣٤٥", "一二三", "Ⅳ",
    "naïve café", "cafe\u0301", "ﬁne", "Straße", "İstanbul", "Ελληνικά", "Привет, мир", "שלום", "مرحبا", "नमस्ते",
    "你好，世界", "こんにちは", "안녕하세요", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷🇩🇪", "a\u200bb", "a\u00a0b", "\ufeffx", "\u2028", "tab\tand\r\nreturn",
    "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|>", "text<|im_end|>text", "<|endoftext|>", "<repo_name>x", "<|im_star|>",
    "def f(x):\n    return x ** 2\n", "if (a && b) { c += 1; }", "https://example.org/a?b=c&d=%20e", "user@example.org",
    "…", "“quoted” – and — dashes", "O'Reilly's", "''''", '""""', "-----", "......", "!?!?", "#hashtag @name", "A" * 100,
    " " * 17 + "x", "x" + " " * 9, "\n" * 7, "e\u0301\u0302\u0303", "\U0001d54f", "\x00\x01\x7f", "C:\\path\\to", "$\\frac{1}{2}$",
]  # fmt: skip


def varied_strings(count: int) -> list[str]:
    """The fixed ones, then seeded mixtures of words, digits, spaces, punctuation and scripts, then any code points."""
    draw = random.Random(7)
    pieces = ["the", "Cook", "recipe", "'s", "n't", "42", "007", " ", "  ", "\n", "\t", ",", ".", "?", "(", ")", "é", "ß", "日", "🙂", "—", "ж", "_", "/", "<", "|", ">", "im_end", "%", "0x1F", "\r\n", "\u00a0", "\u0085", "\u2028", "\u200b", "\u200d", "\ufeff", "\u0301", "e\u0301", "\u212b", "\u1112\u1161\u11ab", "½", "٣", "Ⅳ", "ǅ", "İ", "’s", "'LL", "▁", "Ġ", "<0x41>", "<|im_end|>", "<|user|>", "<unk>", "</s>", "👩‍👩‍👧", "\U0010ffff", "\x00", "camelCase", "नि"]
    mixed = ["".join(draw.choice(pieces) for _ in range(draw.randint(2, 40))) for _ in range((count - len(FIXED)) // 2)]
    points = [point for point in range(1, 0x20000) if not 0xD800 <= point < 0xE000]
    random_points = ["".join(chr(draw.choice(points)) for _ in range(draw.randint(1, 8))) for _ in range(count - len(FIXED) - len(mixed))]
    return FIXED + mixed + random_points


def main() -> None:
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    directory = Path(sys.argv[1]).expanduser().absolute()
    strings = varied_strings(int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    expected = [tokenizer.encode(text, add_special_tokens=False) for text in strings]
    expected_texts = [tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) for ids in expected]
    result = subprocess.run(
        ["node", "--input-type=module", "-e", ENCODE, str(directory)],
        input=json.dumps(strings), stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    got = json.loads(result.stdout)
    differing = [i for i, ids in enumerate(expected) if ids != got["ids"][i]]
    differing_texts = [i for i, text in enumerate(expected_texts) if text != got["texts"][i]]
    for i in differing:
        print(f"ids of {strings[i]!r}: transformers {expected[i]}, aftertune {got['ids'][i]}")
    for i in differing_texts:
        print(f"text of {strings[i]!r}: transformers {expected_texts[i]!r}, aftertune {got['texts'][i]!r}")
    print(f"{len(strings)} strings, {sum(map(len, expected))} tokens: {len(differing)} differ in ids, {len(differing_texts)} in decoded text")
    raise SystemExit(1 if differing or differing_texts else 0)


if __name__ == "__main__":
    main()
