#!/usr/bin/env python3
"""Writes test/fixtures/tokenizers: a small tokenizer of each kind with a chat template, and what transformers makes of it.

    python scripts/parity/tokenizer.py

Needs transformers and tokenizers. Byte-level BPE: `chatml` (digits apart, as SmolLM), `gpt2` (GPT-2's pattern), `llama3`
(its pattern, merges ignored for whole words; OLMo 2's is the same), `qwen2` (its pattern after NFC). BPE with byte
fallback, as SentencePiece models are converted: `llama2` (Prepend and Replace), `gemma` (Replace alone), `mistral`
(Metaspace), `phi3` (added tokens that take the white space beside them). Each folder's expected.json holds the ids of
plain strings, their decoded texts, and per conversation the rendered text and ids with and without the generation
prompt, with the assistant mask where the template marks it ({% generation %}). Deterministic.
"""

import json
import os
import random
import re
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import transformers  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

OUTPUT = Path(__file__).parents[2] / "test" / "fixtures" / "tokenizers"

CORPUS = [
    "The lighthouse keeper counts the boats every evening and writes their names in a blue book.",
    "What is the capital of the island? It is a small town by the northern harbour, where the ferry lands.",
    "Please tell me how to bake bread: flour, water, salt and time. Let it rest for 12 hours, then bake at 230 degrees.",
    "You are a helpful assistant. Answer briefly. Don't guess; say that you don't know.",
    "user assistant system The answer is 42. I'm sure we'll find it, they've said so.",
    "naïve café, Straße, Привет, 你好, 1234567890, (a + b) * c = d; if x then y else z.\n\n- one\n- two\n",
] * 4

STRINGS = [
    "", " ", "  ", "\n", "\n\n\n", "\t", "Hello", " Hello", "Hello, world!", "don't DON'T we'll", "3.14159 and 1234567890",
    "naïve café", "Straße", "Привет, мир", "你好，世界", "👍🏽 👩‍👩‍👧‍👦", "a\u00a0b\u200bc", "x  = y ;  z", "line one\r\nline two",
    "<|im_start|>user\nhi<|im_end|>\n", "<|eot_id|>", "<s>a</s>", "before<|im_end|>after", "<|im_star|>", "\x00\x01\x7f",
    "trailing spaces   ", "   leading spaces", "e\u0301\u0302", "▁metaspace▁", "�", "A" * 50,
    "cafe\u0301 \u212b \u1112\u1161\u11ab", "½ Ⅳ ٣ ²", "\ufeffx \u0085 \u2028\u3000y", "<0x41><0xFF>", "<unk> <|user|> \n hi <tool>x", "İ ı ǅ ʼ",
]  # fmt: skip


def mixed_strings(count: int) -> list[str]:
    """Seeded mixtures of what tokenizers trip over."""
    draw = random.Random(11)
    pieces = ["the", "boats", " ", "  ", "\n", "\t", "\r\n", "42", "2024", "٣", "½", "é", "e\u0301", "\u0301", "한", "\u1112\u1161", "你", "👍🏽", "👩‍👩‍👧", "\u00a0", "\u200b", "\u2028", "\u0085", "\ufeff", "'s", "'LL", "’s", ".", "...", "_", "<", "|", ">", "im_end", "<|im_end|>", "<|user|>", "<|both|>", "<tool>", "flour", "flour ", "▁", "Ġ", "ß", "И", "\U0010ffff"]  # fmt: skip
    return ["".join(draw.choice(pieces) for _ in range(draw.randint(2, 9))) for _ in range(count)]

CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of the island?"}],
    [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A small town."}],
    [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "How long must bread rest?"},
        {"role": "assistant", "content": "12 hours."},
        {"role": "user", "content": "And then?\nPlease."},
        {"role": "assistant", "content": "Bake it at 230 degrees:\n\n- one\n- two"},
    ],
    [{"role": "user", "content": "naïve 你好 👍🏽"}, {"role": "assistant", "content": "Привет,  café"}],
]

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# Our own wording of Llama 3's layout: a BOS, headers, a date in the system turn only when the clock is given.
LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if tools is not none and tools is defined %}
    {{- raise_exception("no tools here") }}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {#- one turn #}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set intro = messages[0]['content'] + '\n\n' %}"
    "{% else %}{% set rest = messages %}{% set intro = '' %}{% endif %}"
    "{% for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (intro if loop.first else '') + message['content'].strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)

MARKED_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

GEMMA = (
    "{{ bos_token }}{% set prefix = '' %}{% if messages[0]['role'] == 'system' %}{% set prefix = messages[0]['content'] + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\n' + (prefix if loop.first else '') }}"
    "{{ message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}{% endfor %}"
)

PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' }}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>\n' }}{% endgeneration %}{% else %}{{ message['content'] + '<|end|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(special: list[str], parts: list, ignore_merges: bool = False, normalizer=None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts) if len(parts) > 1 else parts[0]
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def split_at(pattern: str) -> list:
    return [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=special, max_token_length=8, show_progress=False)
    words = [f"▁{word}" for line in CORPUS for word in line.split(" ")]
    plain = Tokenizer(models.BPE(unk_token="<unk>"))
    plain.train_from_iterator(words, trainer)
    trained = json.loads(plain.to_str())["model"]
    merges = [tuple(merge) for merge in trained["merges"]]
    tokenizer.model = models.BPE(vocab=trained["vocab"], merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special[:3]])
    return tokenizer


def gemma() -> Tokenizer:
    tokenizer = metaspace()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ["<start_of_turn>", "<end_of_turn>"]])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ["\n\n", "▁▁", "<table>"]])
    return tokenizer


def mistral() -> Tokenizer:
    trained = json.loads(metaspace().to_str())
    tokenizer = Tokenizer.from_str(json.dumps({**trained, "normalizer": None}))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ["[INST]", "[/INST]"]])
    return tokenizer


def phi3() -> Tokenizer:
    tokenizer = metaspace()
    turns = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer.add_special_tokens([AddedToken(token, rstrip=True, normalized=False) for token in turns])
    tokenizer.add_special_tokens([AddedToken("<|both|>", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("flour", single_word=True, normalized=False)])
    return tokenizer


def with_bos(tokenizer: Tokenizer, bos: str) -> Tokenizer:
    """Adds BOS by itself, as Llama's own do: a rendered template must not get a second one."""
    bos_id = tokenizer.token_to_id(bos)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, bos_id)]
    )
    return tokenizer


def expected(tokenizer: transformers.PreTrainedTokenizerFast) -> dict:
    plain = []
    for text in STRINGS + mixed_strings(60):
        ids = tokenizer.encode(text, add_special_tokens=False)
        decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        plain.append({"text": text, "ids": ids, "decoded": decoded})
    chats = []
    marked = re.search(r"\{%-?\s*generation", tokenizer.chat_template) is not None
    for messages in CONVERSATIONS:
        chat: dict = {"messages": messages}
        for prompt in [True, False]:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            encoded = tokenizer.apply_chat_template(
                messages, tokenize=True, add_generation_prompt=prompt, return_dict=True, return_assistant_tokens_mask=marked
            )
            chat["withPrompt" if prompt else "whole"] = {"text": text, "ids": encoded["input_ids"]}
            if marked and not prompt:
                chat["mask"] = encoded["assistant_masks"]
        chats.append(chat)
    return {"transformers": transformers.__version__, "strings": plain, "chats": chats}


def one_per_line(document: dict) -> str:
    def rows(values: list) -> str:
        return "[\n" + ",\n".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values) + "\n]"

    entries = [f"{json.dumps(key)}: {rows(value) if isinstance(value, list) else json.dumps(value)}" for key, value in document.items()]
    return "{\n" + ",\n".join(entries) + "\n}\n"


def write(name: str, backend: Tokenizer, template: str, **special: str) -> None:
    directory = OUTPUT / name
    shutil.rmtree(directory, ignore_errors=True)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, chat_template=template, **special
    )
    tokenizer.save_pretrained(directory)
    loaded = transformers.AutoTokenizer.from_pretrained(directory)
    (directory / "expected.json").write_text(one_per_line(expected(loaded)))
    print(f"{directory}: {len(loaded)} tokens")


def main() -> None:
    chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    names = {"bos_token": chatml[1], "eos_token": chatml[2], "pad_token": chatml[2], "unk_token": chatml[0]}
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    write("chatml", byte_level(chatml, [pre_tokenizers.Digits(individual_digits=True), gpt2]), CHATML, **names)
    write("gpt2", byte_level(chatml, [gpt2]), CHATML, **names)
    write("qwen2", byte_level(chatml, split_at(QWEN2_SPLIT), normalizer=normalizers.NFC()), MARKED_CHATML, eos_token=chatml[2], pad_token=chatml[0])
    llama3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    write("llama3", with_bos(byte_level(llama3, split_at(LLAMA3_SPLIT), ignore_merges=True), llama3[0]), LLAMA3, bos_token=llama3[0], eos_token=llama3[4])
    spm = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write("llama2", with_bos(metaspace(), "<s>"), LLAMA2, **spm)
    write("gemma", with_bos(gemma(), "<s>"), GEMMA, bos_token="<s>", eos_token="<end_of_turn>", unk_token="<unk>")
    write("mistral", with_bos(mistral(), "<s>"), MISTRAL, **spm)
    write("phi3", phi3(), PHI3, bos_token="<s>", eos_token="<|end|>", unk_token="<unk>")


if __name__ == "__main__":
    main()
