import type { Conversation } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import { sha256 } from '../hash.ts';

/** A judge's prompt from a file of the user's; the published ones are nobody's to copy into a repository. */
export interface JudgePrompt {
  /** Of the text with Unix line ends and without outer white space. */
  readonly sha256: string;
  /** Where this very text is known from; null: unverified. */
  readonly source: string | null;
  /** The prompt about one completion. */
  fill(values: Readonly<Record<string, string>>): Conversation;
}

/**
 * Prompts known by the SHA-256 of their text, with where it was read. The revisions are copies: the projects' own
 * repositories could not be read when this was written.
 * Source: HarmBench, arXiv 2402.04249; StrongREJECT, arXiv 2402.10260; SOURCES.md has the revisions.
 */
const known: Readonly<Record<string, string>> = {
  '788f4f6aa1491c433c4da76c9140cfc30966cea3ff3875c4d0fcb336d92f60e0':
    'HarmBench, eval_utils.py, LLAMA2_CLS_PROMPT["prompt"] (equal in github.com/SJSoJSooJ/SlotGCG d76c3c9, github.com/rangell/reinforce-attacks-llms 05b3358 and github.com/Bob-cheng/HB_RedTeam df606e2)',
  dde7e2e8fe821670c8a206d65caad8c1611dbc73277708ebbdfae51507f3c6de:
    'StrongREJECT’s rubric as inspect-evals 0.28.0 has it, strong_reject/prompts.py, STRONG_REJECT_EVAL_PROMPT',
};

/**
 * Reads a judge's prompt. `slots`: the names that it must hold in braces, `{behavior}`, each with every name it goes by.
 * A prompt that spells out Llama 2's marks ([INST] <<SYS>> …) becomes system and user turns, which the model's own
 * template writes out again.
 * @throws AuditError `config` when the file is missing or lacks a slot.
 */
export function readJudgePrompt(
  path: string,
  slots: Readonly<Record<string, readonly string[]>>,
): JudgePrompt {
  const text = readText(path, 'config', 'judge prompt').replaceAll('\r\n', '\n').trim();
  const names = Object.fromEntries(
    Object.entries(slots).flatMap(([slot, all]) => all.map((name) => [name, slot])),
  );
  const held = new Set([...text.matchAll(placeholder)].map(([, name]) => names[name!]));
  const missing = Object.keys(slots).filter((slot) => !held.has(slot));
  if (missing.length > 0) {
    throw new AuditError(
      'config',
      `judge prompt: ${path}: lacks ${missing.map((slot) => `{${slot}}`).join(', ')}`,
      {
        hint: 'give the judge’s prompt as published, with its places for request and answer in braces',
      },
    );
  }
  const hash = sha256(text);
  const turns = splitTurns(text);
  return {
    sha256: hash,
    source: known[hash] ?? null,
    // In one pass: a completion that holds a placeholder stays as it is.
    fill: (values) =>
      turns.map(({ role, content }) => ({
        role,
        content: content.replaceAll(placeholder, (whole, name: string) => {
          const slot = Object.hasOwn(names, name) ? names[name] : undefined;
          return (slot === undefined ? undefined : values[slot]) ?? whole;
        }),
      })),
  };
}

/** What a report says of a judge's prompt. */
export function promptNote({ sha256, source }: JudgePrompt): string {
  const hash = `SHA-256 ${sha256.slice(0, 12)}`;
  return source === null ? `unverified template (${hash})` : `template verified: ${source} (${hash})`;
}

const placeholder = /\{(\w+)\}/g;

/** Only the file's own marks count, never those of a completion. */
function splitTurns(text: string): Conversation {
  const marked = /^(?:<s>)?\s*\[INST\]\s*<<SYS>>([\s\S]*?)<<\/SYS>>([\s\S]*)\[\/INST\]$/.exec(text);
  if (!marked) return [{ role: 'user', content: text }];
  return [
    { role: 'system', content: marked[1]!.trim() },
    { role: 'user', content: marked[2]!.trim() },
  ];
}
