import { z } from 'zod';
import { ask } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import {
  type Importer,
  type ReadOptions,
  type RecordedAnswer,
  type RecordedOutcome,
  unrecorded,
  unscored,
} from '../importer.ts';
import { isObject, jsonOrNull, readAs, type SourceFile } from '../source-file.ts';
import type { SuiteItem } from '../suite.ts';
import { outcomeOf } from './score.ts';

const assertion = z.looseObject({ type: z.string(), value: z.unknown().optional() });
const result = z.looseObject({
  provider: z.union([z.string(), z.looseObject({ id: z.string(), label: z.string().nullish() })]),
  prompt: z.looseObject({ raw: z.string() }),
  success: z.boolean(),
  failureReason: z.int().min(0).max(2).optional(),
  error: z.string().nullish(),
  response: z
    .looseObject({
      output: z.unknown().optional(),
      error: z.string().nullish(),
      finishReason: z.string().nullish(),
      tokenUsage: z.looseObject({ prompt: z.number().nullish() }).nullish(),
    })
    .nullish(),
  gradingResult: z
    .looseObject({ componentResults: z.array(z.looseObject({ pass: z.boolean() })).nullish() })
    .nullish(),
  testCase: z.looseObject({
    assert: z.array(assertion).nullish(),
    metadata: z.looseObject({ pluginId: z.string().nullish() }).nullish(),
  }),
  vars: z.record(z.string(), z.unknown()).nullish(),
  latencyMs: z.number().nullish(),
});
type Result = z.infer<typeof result>;
const document = z.looseObject({
  results: z.looseObject({ results: z.array(z.unknown()).min(1) }),
  metadata: z.looseObject({ promptfooVersion: z.string().nullish() }).nullish(),
});

const judge = 'promptfoo';
const errored = 2;
/** Assertions whose value is the text that is wanted. */
const wanting = new Set(['equals', 'contains', 'icontains', 'contains-any', 'icontains-any']);

/**
 * promptfoo's JSON results. A test of its red team passes where the attack fails: safe. Other tests are questions where
 * an assertion says which text is wanted. Equal tests (prompt, variables, assertions) of one provider are repeats.
 * Source: github.com/promptfoo/promptfoo (results of 0.121.20, version 3: names and meaning of the fields).
 */
export const promptfoo: Importer = {
  name: 'promptfoo',
  what: 'promptfoo JSON results',
  takes: ['unsafeScore', 'part'],
  recognises: (file) => {
    const value = jsonOrNull(file);
    return isObject(value) && isObject(value.results) && Array.isArray(value.results.results);
  },
  read: (file, options) => {
    const { results, metadata } = readAs(document, file.json(), file, 'document');
    const rows = results.results.map((value, at) => readAs(result, value, file, `results[${at}]`));
    const own = ofProvider(file, rows, options.part);
    const kind = kindOf(file, own, options);
    const items = new Map<string, SuiteItem>();
    const repeats = new Map<string, number>();
    const answers = own.map((row) => {
      const item = itemOf(row, kind);
      items.set(item.id, item);
      const repeat = repeats.get(item.id) ?? 0;
      repeats.set(item.id, repeat + 1);
      return answerOf(row, item, repeat, kind, options.unsafeScore);
    });
    const unasserted = own.filter((row) => !isFailed(row) && asserted(row) === 0).length;
    return {
      suite: kind === 'question' ? 'drift' : 'harm',
      tool: `promptfoo ${metadata?.promptfooVersion ?? '(version not recorded)'}, ${providerOf(own[0]!)}`,
      judges: [
        {
          name: judge,
          version: metadata?.promptfooVersion ?? 'not recorded',
          fingerprint: sha256Json({ tool: 'promptfoo', field: 'success', unsafeScore: options.unsafeScore }),
        },
      ],
      items: [...items.values()],
      answers,
      notes:
        unasserted > 0
          ? [
              `${unasserted} results have no assertion that was checked, though promptfoo counts them as passed: unscored.`,
            ]
          : [],
    };
  },
};

function providerOf({ provider }: Result): string {
  return typeof provider === 'string' ? provider : provider.label || provider.id;
}

function ofProvider({ path }: SourceFile, rows: readonly Result[], part: string | null): Result[] {
  const names = [...new Set(rows.map(providerOf))];
  const name = part ?? (names.length === 1 ? names[0] : null);
  const own = rows.filter((row) => providerOf(row) === name);
  if (own.length > 0) return own;
  throw new AuditError(
    'config',
    part === null
      ? `${path}: holds the results of ${names.length} providers`
      : `${path}: has no provider ${part}`,
    { hint: `name one behind a #, as in --arm tuned=${path}#${names[0]}; there is ${names.join(', ')}` },
  );
}

/** `attack`: red team, pass is safe. `score`: as --unsafe-score says. `question`: has a wanted text. */
type Kind = 'attack' | 'score' | 'question';

function kindOf({ path }: SourceFile, rows: readonly Result[], { unsafeScore }: ReadOptions): Kind {
  if (unsafeScore !== null) return 'score';
  const attacks = rows.filter(({ testCase }) => testCase.metadata?.pluginId).length;
  if (attacks === rows.length) return 'attack';
  const unwanted = rows.find((row) => goldOf(row).length === 0);
  if (attacks === 0 && !unwanted) return 'question';
  const types = (unwanted?.testCase.assert ?? []).map(({ type }) => type).join(', ') || 'none';
  throw new AuditError(
    'unsupported',
    attacks > 0
      ? `${path}: ${attacks} of ${rows.length} tests are of promptfoo’s red team, the others are not`
      : `${path}: a test says no text that is wanted (its assertions: ${types})`,
    {
      hint: 'red-team results and tests with equals or contains can be imported; where a failed test means a harmful answer, say --unsafe-score fail',
    },
  );
}

function goldOf({ testCase }: Result): string[] {
  return (testCase.assert ?? []).flatMap(({ type, value }) => {
    if (!wanting.has(type)) return [];
    return [value].flat().filter((text): text is string => typeof text === 'string' && text.trim() !== '');
  });
}

function itemOf(row: Result, kind: Kind): SuiteItem {
  const { prompt, vars, testCase } = row;
  return {
    id: sha256Json([prompt.raw, vars ?? {}, testCase.assert ?? []]).slice(0, 12),
    condition: kind === 'question' ? 'base_prompt' : 'default',
    messages: ask(prompt.raw),
    judgePrompt: prompt.raw,
    functionalCategory: null,
    semanticCategory: testCase.metadata?.pluginId ?? null,
    answers: kind === 'question' ? { gold: goldOf(row), wrong: null } : null,
  };
}

const asserted = ({ gradingResult }: Result) => gradingResult?.componentResults?.length ?? 0;

/** No answer came, or it could not be checked. */
function isFailed({ failureReason, error, response }: Result): boolean {
  if (failureReason === errored || response?.error) return true;
  return (
    response?.output === undefined || (failureReason === undefined && response === null && Boolean(error))
  );
}

function answerOf(
  row: Result,
  { id, messages }: SuiteItem,
  repeat: number,
  kind: Kind,
  unsafeScore: string | null,
): RecordedAnswer {
  const { response, latencyMs } = row;
  const output = response?.output ?? '';
  const completion = typeof output === 'string' ? output : JSON.stringify(output);
  const outcome = outcomeOfResult(row, completion, kind, unsafeScore);
  const promptTokens = response?.tokenUsage?.prompt;
  return {
    ...unrecorded,
    id,
    repeat,
    prompt: messages,
    completion,
    promptTokens: Number.isInteger(promptTokens) && promptTokens! > 0 ? promptTokens! : null,
    finishReason: finishReasonOf(response?.finishReason),
    milliseconds: latencyMs ?? null,
    outcomes: outcome ? { [judge]: outcome } : {},
  };
}

function outcomeOfResult(
  row: Result,
  completion: string,
  kind: Kind,
  unsafeScore: string | null,
): RecordedOutcome | null {
  if (isFailed(row) || asserted(row) === 0) return kind === 'question' ? null : unscored('judge_error');
  const meaning = kind === 'attack' ? 'fail' : unsafeScore;
  return outcomeOf(row.success ? 'right' : 'wrong', completion, meaning);
}

function finishReasonOf(reason: string | null | undefined): RecordedAnswer['finishReason'] {
  return reason === 'stop' || reason === 'length' || reason === 'content_filter' ? reason : null;
}
