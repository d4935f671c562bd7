#!/usr/bin/env python3
"""Writes test/fixtures/chat-templates.json: small templates of our own and what transformers makes of them.

    python scripts/parity/chat_templates.py

Needs transformers. SNIPPETS exercise one construct each; FAMILIES are the layouts of the supported model families in
our own words, each rendered for every conversation, with and without generation prompt and enable_thinking, with the
spans of its {% generation %} blocks. The clock is set to the date that aftertune tells every template. Deterministic.
"""

import datetime
import json
import re
from pathlib import Path

from transformers.utils import chat_template_utils

OUTPUT = Path(__file__).parents[2] / "test" / "fixtures" / "chat-templates.json"
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

SNIPPETS = [
    # loop controls keep what was written before them
    "{% for i in range(5) %}{{ i }}{% if i == 2 %}!{% break %}{% endif %},{% endfor %}.",
    "{% for i in range(4) %}{{ i }}{% if i % 2 %}-{% continue %}{% endif %},{% endfor %}.",
    "{% for i in range(3) %}{% for j in range(3) %}{{ i }}{{ j }}{% if j == i %}{% break %}{% endif %} {% endfor %};{% endfor %}",
    "{% for i in [] %}x{% else %}none{% endfor %}{% for i in [1] %}{% continue %}{% else %}none{% endfor %}{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}none{% endfor %}",
    # scopes
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in [1, 2] %}{% if y is defined %}seen{% endif %}{% set y = i %}{{ y }}{% endfor %}{{ y is defined }}",
    "{% set ns = namespace(n=0, last='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.last = m.role %}{% endfor %}{{ ns.n }}{{ ns.last }}",
    "{% if true %}{% set z = 3 %}{% endif %}{{ z }}",
    "{% macro m() %}{{ i is defined }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}",
    "{% macro m(a, b='x', c=none) -%} {{ a }}{{ b }}{{ c }} {%- endmacro %}{{ m(1) }}|{{ m(1, 2, 3) }}|{{ m(b='q', a=0) }}|{{ m(1) | upper }}",
    "{% macro outer() %}[{{ caller() }}]{% endmacro %}{% call outer() %}in{% endcall %}",
    "{% macro m(x) %}{{ late }}{{ x }}{% endmacro %}{% set late = 'L' %}{{ m(2) }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    # loop
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{{ loop.length }}{% if loop.previtem is defined %}<{{ loop.previtem.role }}{% endif %}{% if loop.nextitem is defined %}>{{ loop.nextitem.role }}{% endif %};{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ m.content }}{% else %}no{% endfor %}",
    "{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for k, v in {'x': 1} | items %}{{ k }}{{ v }}{% endfor %}",
    "{% for c in 'añ👍' %}{{ c }}.{% endfor %}{{ 'añ👍' | length }}{{ 'añ👍'[-1] }}{{ 'añ👍'[1] }}",
    "{% for i in range(4) %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in nothing %}x{% else %}empty{% endfor %}",
    "{% for x in none %}x{% endfor %}",
    # printing
    "{{ true }} {{ none }} {{ 1 }} {{ 1.0 }} {{ 1.5 }} {{ [1, 'a', none, true] }} {{ {'a': 'b\"c', 'd': \"it's\"} }} {{ (1, 2) }}|{{ nothing }}|",
    "{{ messages[0] }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ nothing }}",
    "{{ 'a' + 1 }}",
    "{{ nothing.attribute }}",
    "{{ messages[0].nothing }}{{ messages[0]['nothing'] is defined }}{{ messages[9] is defined }}",
    "{{ none.x is defined }}",
    # operators
    "{{ 1 == '1' }}{{ 0 == '' }}{{ false == 0 }}{{ none == nothing }}{{ [1, 2] == [1, 2] }}{{ {'a': 1} == {'a': 1} }}{{ 'a' != 'b' }}{{ 1 == 1.0 }}",
    "{{ 'a' in 'abc' }}{{ 'a' in ['a'] }}{{ 'x' not in ['a'] }}{{ 'a' in {'a': 1} }}{{ 1 in [1.0] }}{{ 'a' in nothing }}{{ [1] in [[1]] }}",
    "{{ 7 % 3 }}{{ -7 % 3 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ 7 / 2 }}{{ 2 ** 3 }}{{ 'ab' * 3 }}{{ 1 - 1 }}",
    "{{ '%s is %d (%s)' % ('a', 3, none) }}{{ '%s' % 'one' }}{{ '%.2f%%' % 1.234 }}{{ '%(k)s' % {'k': 'v'} }}",
    "{{ 'x' if false }}|{{ 'a' if 1 else 'b' if 2 else 'c' }}|{{ ('a' if false else 'b' if true else 'c') }}",
    "{{ not true or true and false }}{{ (messages[0].role == 'user') != (0 % 2 == 0) }}{{ 1 < 2 and 2 >= 2 }}",
    "{{ [1, 2] + [3] }}{{ (1, 2)[0] }}",
    # slices
    "{{ [1, 2, 3][1:] }}{{ [1, 2, 3][::-1] }}{{ [1, 2, 3][:-1] }}{{ 'hello'[1:3] }}{{ 'hello'[::-1] }}{{ [1, 2, 3][-1] }}{{ messages[1:] | length }}",
    # methods
    "[{{ '  a \\n' .strip() }}][{{ 'xxaxx'.strip('x') }}][{{ '  a'.lstrip() }}][{{ 'a  '.rstrip() }}][{{ 'a\\n\\n'.rstrip('\\n') }}]",
    "{% set space = messages[0].content %}[{{ space.strip() }}][{{ space | trim }}][{{ space.split() }}][{{ space.lstrip() }}][{{ space.rstrip() }}]",
    "{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ 'x</think>y</think>z'.split('</think>')[-1] }}{{ 'a b c'.split(maxsplit=1) }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'abc'.replace('b', 'X') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'hello wORLD'.title() }}{{ 'hELLO'.capitalize() }}",
    "{{ 'one\\ntwo\\n'.splitlines() }}{{ 'abc'.find('c') }}{{ 'banana'.count('a') }}{{ ', '.join(['a', 'b']) }}{{ 'prefix-a'.removeprefix('prefix-') }}{{ 'a.txt'.removesuffix('.txt') }}",
    "{{ '{} and {}'.format('a', 1) }}{{ '{x}'.format(x='y') }}{{ '12'.isdigit() }}{{ 'a1'.isdigit() }}",
    "{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('b', 'd') }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}",
    # filters
    "{{ ' a ' | trim }}|{{ 'xax' | trim('x') }}|{{ 'a' | upper }}{{ 'A' | lower }}{{ 'a b' | title }}{{ 'aB' | capitalize }}{{ nothing | upper }}{{ nothing | length }}{{ none | trim }}",
    "{{ ['a', 1, none] | join(', ') }}{{ messages | join('+', attribute='role') }}{{ [1, 2] | join }}{{ 'ab' | join('-') }}{{ nothing | join }}",
    "{{ messages | map(attribute='role') | list }}{{ ['a', 'b'] | map('upper') | join }}{{ messages | map(attribute='x', default='d') | join }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | rejectattr('role', '==', 'user') | map(attribute='content') | join('|') }}{{ messages | selectattr('role') | list | length }}{{ messages | selectattr('nothing', 'defined') | list }}{{ none | selectattr('x') | list }}{{ 'text' | selectattr('type', 'equalto', 'image') | list }}{{ messages | selectattr('role', 'in', ['user', 'system']) | list | length }}",
    "{{ [1, 0, 2] | select | list }}{{ ['a', 1] | select('string') | list }}{{ [1, 2, 3] | reject('odd') | list }}{{ [3, 1, 2] | sort }}{{ [3, 1, 2] | reverse | list }}{{ ['a', 'a', 'b'] | unique | list }}",
    "{{ [1, 2] | first }}{{ [1, 2] | last }}{{ [] | first }}{{ 'abc' | last }}{{ 'abc' | list }}{{ {'a': 1} | length }}",
    "{{ nothing | default('d') }}{{ '' | default('d') }}|{{ '' | default('d', true) }}{{ none | default('d', boolean=true) }}{{ none | default('d') }}",
    "{{ {'b': [1, 'é\"\\n', none, true], 'a': {}} | tojson }}{{ 'é' | tojson(ensure_ascii=true) }}\n{{ {'a': [1, {'b': 2}], 'c': []} | tojson(indent=2) }}{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}",
    "{{ 'a\\nb\\n\\nc' | indent(2) }}|{{ 'a\\nb' | indent(2, first=true) }}|{{ 'a' | replace('a', 'b') }}|{{ 1 | string }}{{ [1] | string }}{{ '3' | int + 1 }}{{ 'x' | int(7) }}{{ '1.5' | float }}{{ -3 | abs }}",
    "{% filter upper %}abc{% endfilter %}{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}",
    # tests
    "{{ x is defined }}{{ messages is defined }}{{ none is none }}{{ 'a' is string }}{{ {} is mapping }}{{ [] is iterable }}{{ 'a' is iterable }}{{ {} is iterable }}{{ 1 is iterable }}{{ [] is sequence }}{{ 1 is number }}{{ true is boolean }}{{ 2 is even }}{{ 3 is odd }}{{ x is undefined }}{{ x is not none }}{{ tools is none }}{{ true is true }}{{ 1 is true }}",
    # white space
    "  {% if true %}\n    a\n  {% endif %}\n  {{ 'b' }}\n\n{#- note -#}\n\nc\n",
    "a\n  {%- if true -%}\n  b  \n{%- endif %}\n\n  c  {{- ' d ' -}}  e\n\n",
    "{% set x %}\n  block {{ 1 }}\n{% endset %}[{{ x }}]\r\nline\r\n",
    "  {%+ if true %}a{% endif +%}\nb{# comment #}\nc\n  {# comment #}  d",
    "{%- for m in messages -%}\n  {{- m.role -}}\n{%- endfor -%}\n",
    "\t{% if true %}\ttab{% endif %}\t{{ 1 }}\n\n\n",
    # generation blocks
    "a{% generation %}b{{ 1 }}{% endgeneration %}c{%- generation -%} d {%- endgeneration -%} e{% for m in messages %}<{% generation %}{{ m.content }}{% endgeneration %}>{% endfor %}",
    "{% macro turn(m) %}[{{ m.role }}]{% endmacro %}{{ turn(messages[0]) }}{% if turn(messages[1]) %}{% generation %}{{ turn(messages[1]) }}{% set leak = 1 %}{% endgeneration %}{% endif %}{{ leak is defined }}",
    # globals and refusals
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %A %B %-d %H:%M') }}{{ strftime_now is defined }}",
    "{{ raise_exception('not this way') }}",
    "{{ range(3) | list }}{{ range(1, 7, 2) | list }}{{ range(3, 0, -1) | list }}",
    "{{ range(200000) | length }}",
    "{{ dict(a=1)['a'] }}{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ documents is none }}{{ add_generation_prompt }}",
    "{% set l = [] %}{{ l.append(1) }}",
    "{% set messages = messages[1:] %}{{ messages | length }}{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{{ nothing() }}",
    "{{ 'quo\\'te' }}{{ \"tab\\t\\u00e9\" }}{{ 'two' ' strings' }}",
]

SYSTEM = "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
THINK_PROMPT = "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"

FAMILIES = {
    "chatml": "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe of use.<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "llama-3": SYSTEM + "{{- bos_token }}{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = 'some day' %}{% endif %}{% endif %}"
    "<|start_header_id|>system<|end_header_id|>\n\nToday: {{ date_string }}\n\n{{ system }}<|eot_id|>"
    "{% for m in messages %}{% if not (m.role == 'ipython' or 'tool_calls' in m) %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "qwen-3": "{% set ns = namespace(last_query=messages | length - 1, looking=true) %}{% for m in messages[::-1] %}{% set index = messages | length - 1 - loop.index0 %}"
    "{% if ns.looking and m.role == 'user' and m.content is string %}{% set ns.looking = false %}{% set ns.last_query = index %}{% endif %}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% set content = m.content %}{% set thought = '' %}{% if '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if loop.index0 > ns.last_query and (loop.last or thought) %}{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}{% endif %}{{ content }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}" + THINK_PROMPT,
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% if messages[0]['content'] is string %}{% set prefix = messages[0]['content'] + '\n\n' %}{% else %}{% set prefix = messages[0]['content'][0]['text'] + '\n\n' %}{% endif %}{% set rest = messages[1:] %}{% else %}{% set prefix = '' %}{% set rest = messages %}{% endif %}"
    "{%- for m in rest -%}{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('turns must alternate') }}{%- endif -%}"
    "{%- if m['role'] == 'assistant' -%}{%- set role = 'model' -%}{%- else -%}{%- set role = m['role'] -%}{%- endif -%}\n{{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else '') }}"
    "{%- if m['content'] is string -%}{{ m['content'] | trim }}{%- elif m['content'] is iterable -%}{%- for part in m['content'] -%}{{ part['text'] | trim }}{%- endfor -%}{%- endif -%}\n{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}",
    "mistral": SYSTEM + "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + (system + '\n\n' if loop.last and system else '') + m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{% generation %}{{ ' ' + m['content'] + eos_token }}{% endgeneration %}{% else %}{{ raise_exception('only user and assistant turns') }}{% endif %}{% endfor %}",
    "phi-3": "{% for m in messages %}{% if m['role'] == 'system' and m['content'] %}{{ '<|system|>\n' + m['content'] + '<|end|>\n' }}{% elif m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '<|end|>\n' }}"
    "{% elif m['role'] == 'assistant' %}{{ '<|assistant|>\n' }}{% generation %}{{ m['content'] + '<|end|>\n' }}{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "olmo-2": "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ '<|system|>\n' + m['content'] + '\n' }}{% elif m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '\n' }}"
    "{% elif m['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n' + m['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
    "smollm-3": "{%- if enable_thinking is not defined -%}\n{%- set enable_thinking = true -%}\n{%- endif -%}\n{%- set mode = '/think' if enable_thinking else '/no_think' -%}\n"
    "{%- if messages[0].role == 'system' -%}\n{%- set system = messages[0].content.replace('/no_think', '').rstrip() -%}\n{%- else -%}\n{%- set system = '' -%}\n{%- endif -%}\n"
    "{{- '<|im_start|>system\\nDate: ' ~ strftime_now('%d %B %Y') ~ '\\nMode: ' ~ mode ~ '\\n' ~ system ~ '<|im_end|>\\n' -}}\n"
    "{%- for m in messages -%}\n{%- if m.role == 'user' -%}\n{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}\n{%- elif m.role == 'assistant' -%}\n{%- generation -%}\n{{ '<|im_start|>assistant\\n' + m.content.lstrip('\\n') + '<|im_end|>\\n' }}\n{%- endgeneration -%}\n{%- endif -%}\n{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n{{ '<|im_start|>assistant\\n' }}{% if not enable_thinking %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}\n{%- endif -%}\n",
}

CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of the island?"}],
    [{"role": "system", "content": " Answer briefly.\n"}, {"role": "user", "content": "What is it? "}, {"role": "assistant", "content": " A small town."}],
    [
        {"role": "user", "content": "naïve 你好 👍🏽 {{ x }}\u00a0\u0085"},
        {"role": "assistant", "content": "<think>\nA thought.\n</think>\n\n\ufeffПривет"},
        {"role": "user", "content": "And then?\nPlease."},
        {"role": "assistant", "content": "<think>\n\n</think>\n\nBake it."},
    ],
    [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
]  # fmt: skip


SNIPPET_CONVERSATION = [
    {"role": "system", "content": "\x1c \ufeffa\u00a0b\u3000\u0085"},
    {"role": "user", "content": "What is it?"},
    {"role": "assistant", "content": " A small town."},
]


class PinnedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def render(template: str, messages: list[dict], **options) -> dict:
    marked = re.search(r"\{%-?\s*generation", template) is not None
    try:
        texts, spans = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, return_assistant_tokens_mask=marked, **SPECIAL, **options
        )
    except Exception as error:  # noqa: BLE001 - whatever it refuses with, so must we
        return {"error": f"{type(error).__name__}: {error}"}
    text = texts[0]
    return {"text": text, **({"generated": [text[start:end] for start, end in spans[0]]} if marked else {})}


def main() -> None:
    chat_template_utils.datetime = PinnedClock
    snippets = [{"template": each, **render(each, SNIPPET_CONVERSATION)} for each in SNIPPETS]
    cases = []
    for family, template in FAMILIES.items():
        for conversation, messages in enumerate(CONVERSATIONS):
            for prompt in [True, False]:
                for thinking in [None, True, False] if "enable_thinking" in template else [None]:
                    given = {} if thinking is None else {"enable_thinking": thinking}
                    result = render(template, messages, add_generation_prompt=prompt, **given)
                    cases.append({"family": family, "conversation": conversation, "prompt": prompt, "thinking": thinking, **result})
    document = {"conversations": CONVERSATIONS, "snippetConversation": SNIPPET_CONVERSATION, "special": SPECIAL, "snippets": snippets, "families": FAMILIES, "cases": cases}
    OUTPUT.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    refused = [each["template"] for each in snippets if "error" in each]
    print(f"{OUTPUT}: {len(snippets)} snippets ({len(refused)} refused), {len(cases)} cases ({sum('error' in case for case in cases)} refused)")


if __name__ == "__main__":
    main()
