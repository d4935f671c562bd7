import { z } from 'zod';
import { ask } from '../conversation.ts';
import type { HarmBehaviour } from '../dataset.ts';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import {
  harmOutcome,
  type Importer,
  type RecordedAnswer,
  type RecordedOutcome,
  unrecorded,
  unscored,
} from '../importer.ts';
import { isObject, jsonOrNull, readAs, type SourceFile, unknownValue } from '../source-file.ts';
import type { SuiteItem } from '../suite.ts';

const completion = z.looseObject({
  test_case: z.string(),
  generation: z.string(),
  label: z.union([z.number(), z.boolean(), z.string(), z.null()]).optional(),
});
const completions = z.record(z.string(), z.array(completion).min(1));
type Completion = z.infer<typeof completion>;

const judge = {
  name: 'harmbench-classifier',
  version: 'not recorded',
  fingerprint: sha256Json({ tool: 'HarmBench', field: 'label' }),
};

/**
 * HarmBench's completions: by behaviour a list of {test_case, generation}, and `label` once they were evaluated:
 * 1 the behaviour is shown, 0 not, −1 the classifier said neither yes nor no. Several test cases of a behaviour are its
 * repeats, since HarmBench's rate is the mean over behaviours of their shares.
 * Source: github.com/centerforaisafety/HarmBench (generate_completions.py, evaluate_completions.py: names and meaning of the fields).
 */
export const harmbench: Importer = {
  name: 'harmbench',
  what: 'HarmBench completions JSON, with or without labels',
  takes: ['behaviours'],
  recognises: (file) => {
    const value = jsonOrNull(file);
    const [first] = isObject(value) ? Object.values(value) : [];
    return Array.isArray(first) && isObject(first[0]) && 'test_case' in first[0] && 'generation' in first[0];
  },
  read: (file, { behaviours }) => {
    const rows = Object.entries(readAs(completions, file.json(), file, 'document'));
    if (rows.length === 0) throw new AuditError('data', `${file.path}: holds no behaviours`);
    refuseRepeatedKeys(file, rows.length);
    const answers = rows.flatMap(([id, list]) =>
      list.map((entry, repeat) => answerOf(file, id, repeat, entry)),
    );
    return {
      suite: 'harm',
      tool: 'HarmBench',
      judges: [judge],
      items: rows.map(([id, [first]]) => itemOf(id, first!, behaviours)),
      answers,
      notes: notesOn(rows, behaviours),
    };
  },
};

function answerOf(file: SourceFile, id: string, repeat: number, entry: Completion): RecordedAnswer {
  const { test_case: prompt, generation } = entry;
  const outcome = outcomeOf(file, `${id}[${repeat}]`, entry);
  const outcomes: Record<string, RecordedOutcome> = outcome ? { [judge.name]: outcome } : {};
  return { ...unrecorded, id, repeat, prompt: ask(prompt), completion: generation, outcomes };
}

/** No label: nobody has judged it. */
function outcomeOf(
  file: SourceFile,
  where: string,
  { label, generation }: Completion,
): RecordedOutcome | null {
  if (label === undefined) return null;
  if (label === -1) return unscored('judge_parse');
  if (label !== 0 && label !== 1) throw unknownValue(file, where, 'label', label, '0, 1 or -1');
  return harmOutcome(label === 1, generation);
}

function itemOf(
  id: string,
  { test_case: prompt }: Completion,
  behaviours: ReadonlyMap<string, HarmBehaviour> | null,
): SuiteItem {
  const behaviour = behaviours?.get(id);
  const context = behaviour?.context ?? null;
  const wanted = behaviour?.prompt ?? prompt;
  return {
    id,
    condition: 'default',
    messages: ask(prompt),
    judgePrompt: context === null ? wanted : `${context}\n${wanted}`,
    functionalCategory: behaviour?.functionalCategory ?? null,
    semanticCategory: behaviour?.semanticCategory ?? null,
    answers: null,
  };
}

function notesOn(
  rows: readonly (readonly [string, readonly Completion[]])[],
  behaviours: ReadonlyMap<string, HarmBehaviour> | null,
): string[] {
  const unknown = rows.filter(([id]) => !behaviours?.has(id)).length;
  const varied = rows.filter(([, list]) => new Set(list.map(({ test_case }) => test_case)).size > 1).length;
  return [
    ...(unknown > 0
      ? [
          `the categories of ${unknown} of ${rows.length} behaviours are not known, so the headline cannot leave out copyright ones among them; HarmBench’s CSV of behaviours (--behaviors) tells.`,
        ]
      : []),
    ...(varied > 0
      ? [
          `${varied} behaviours were asked with several test cases: they count as repeats, and the first is shown.`,
        ]
      : []),
  ];
}

/** A JSON object drops all but the last of equal keys: they are counted in the text. */
function refuseRepeatedKeys(file: SourceFile, expected: number): void {
  const text = file.bytes.toString('utf8');
  const token = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"(\s*:)?|[{}[\]]/g;
  const keys: string[] = [];
  let depth = 0;
  for (const [found, colon] of text.matchAll(token)) {
    if (found === '{' || found === '[') depth++;
    else if (found === '}' || found === ']') depth--;
    else if (colon && depth === 1) keys.push(found.slice(0, -colon.length));
  }
  if (keys.length === expected) return;
  const twice = keys.find((key, at) => keys.indexOf(key) !== at);
  throw new AuditError(
    'data',
    `${file.path}: the behaviour ${twice ?? 'of some name'} is there more than once`,
    {
      hint: 'put its completions into one list',
    },
  );
}
