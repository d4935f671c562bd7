#!/usr/bin/env python3
"""Compares aftertune's rendering of chat templates with transformers', byte for byte.

    python scripts/parity/compare_templates.py FOLDER_OF_JINJA_FILES

Needs transformers, and this repository built (npm run build). Every template renders every conversation below, with and
without generation prompt and, where it knows of it, enable_thinking; marked spans are compared too. Says how many are
equal, refused by both, by one of the two, or different, and exits 1 unless every one is equal or refused by both.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from chat_templates import CONVERSATIONS, SNIPPET_CONVERSATION, SPECIAL, PinnedClock, chat_template_utils, render

RENDER = """
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadChatTemplate } from './dist/lm/chat-template.js';
const { templates, conversations, special, cases } = JSON.parse(readFileSync(0, 'utf8'));
const folder = mkdtempSync('/tmp/aftertune-templates-');
writeFileSync(join(folder, 'tokenizer_config.json'), '{}');
const loaded = templates.map((template) => {
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  try { return loadChatTemplate(folder, undefined, special); } catch (error) { return error; }
});
rmSync(folder, { recursive: true });
const results = cases.map(([at, conversation, addGenerationPrompt, enableThinking]) => {
  try {
    if (loaded[at] instanceof Error) throw loaded[at];
    const { text, generated } = loaded[at].render(conversations[conversation], { addGenerationPrompt, enableThinking });
    return { text, generated: generated.map(([start, end]) => text.slice(start, end)) };
  } catch (error) {
    return { error: error.message };
  }
});
process.stdout.write(JSON.stringify(results));
"""


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    chat_template_utils.datetime = PinnedClock
    files = sorted(Path(sys.argv[1]).expanduser().absolute().glob("*.jinja"))
    templates = [path.read_bytes().decode() for path in files]
    conversations = [*CONVERSATIONS, SNIPPET_CONVERSATION]
    cases = [
        (at, conversation, prompt, thinking)
        for at, template in enumerate(templates)
        for conversation in range(len(conversations))
        for prompt in [True, False]
        for thinking in ([None, True, False] if "enable_thinking" in template else [None])
    ]
    document = {"templates": templates, "conversations": conversations, "special": SPECIAL, "cases": cases}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", RENDER],
        input=json.dumps(document), stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    outcomes: Counter = Counter()
    for (at, conversation, prompt, thinking), got in zip(cases, json.loads(done.stdout)):
        given = {} if thinking is None else {"enable_thinking": thinking}
        want = render(templates[at], conversations[conversation], add_generation_prompt=prompt, **given)
        if "error" in want:
            outcome = "refused by both" if "error" in got else "refused by transformers alone"
        elif "error" in got:
            outcome = "refused by aftertune alone"
        else:
            same = got["text"] == want["text"] and got["generated"] == want.get("generated", [])
            outcome = "equal" if same else "different"
        outcomes[outcome] += 1
        if outcome not in ("equal", "refused by both"):
            print(f"{files[at].name}, conversation {conversation}, prompt {prompt}, thinking {thinking}: {outcome} {got.get('error', '')}")
    print(f"{len(files)} templates, {len(cases)} renderings: {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}")
    raise SystemExit(0 if set(outcomes) <= {"equal", "refused by both"} else 1)


if __name__ == "__main__":
    main()
