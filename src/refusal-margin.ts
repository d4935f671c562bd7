import { AuditError, concernsAll, throwIfAborted } from './errors.ts';
import type { Progress } from './evaluate.ts';
import { createFailures, type Failures } from './failures.ts';
import type { MarginRecord } from './harm-record.ts';
import { sha256, sha256Json } from './hash.ts';
import type { Decoding, FirstTokenMass, Generation, LanguageModel } from './model.ts';
import { isPlain } from './outcomes.ts';
import { inParallel } from './parallel.ts';
import type { Summary } from './record.ts';
import type { RefusalVerdict, Scorer } from './scorer.ts';
import type { RunStore } from './store.ts';
import type { Suite, SuiteItem } from './suite.ts';

/** How far from refusing a model is before it has written a word; no generation but the base's, to learn how it refuses. */

/** Tokens that begin a refusal. */
export interface RefusalTokenSet {
  readonly ids: readonly number[];
  readonly texts: readonly string[];
  /** Of the ids. */
  readonly sha256: string;
  /** Of `answers`, those that refuse in their first words. */
  readonly refusals: number;
  readonly answers: number;
}

/** One set chosen on held-out prompts; or two, each for one half of the suite's prompts and chosen on the other. */
export interface RefusalTokens {
  readonly chosenOn: NonNullable<Summary['refusalTokens']>['chosenOn'];
  readonly sets: readonly RefusalTokenSet[];
}

/** Long enough for a refusal to show. */
const opening: Decoding = { maxTokens: 32, temperature: 0, topP: 1, topLogProbabilities: 1, seed: 0 };

/**
 * Tokens that more often begin a refusal than another answer, among the base's greedy answers to `heldOut`, or without
 * those to each half of the suite's own prompts, halved by a hash of their ids. Kept as a stage of the run.
 * `scorer` tells a refusal in an answer's first words.
 * Source: Arditi et al. 2024, arXiv 2406.11717 (a set of refusal tokens; there it is chosen by hand).
 */
export async function chooseRefusalTokens(options: {
  readonly base: LanguageModel;
  readonly suite: Suite;
  readonly heldOut: readonly SuiteItem[] | null;
  readonly scorer: Scorer<RefusalVerdict>;
  readonly store: Pick<RunStore, 'stage'>;
  readonly signal?: AbortSignal;
}): Promise<RefusalTokens> {
  const { base, suite, heldOut, scorer, store, signal } = options;
  const own = suite.items.filter(isPlain);
  const halves = [0, 1].map((half) => own.filter((item) => halfOf(item) !== half));
  const groups = heldOut ? [heldOut] : halves;
  const inputs = { base: base.fingerprint, scorer: scorer.fingerprint, opening };
  const prompts = groups.map((group) => group.map(({ messages }) => messages));
  return store.stage('refusal-tokens', { ...inputs, prompts }, async () => {
    const sets: RefusalTokenSet[] = [];
    for (const group of groups) sets.push(await tokensFrom(base, group, scorer, signal));
    return { chosenOn: heldOut ? ('held-out prompts' as const) : ('the other half' as const), sets };
  });
}

const halfOf = ({ id }: SuiteItem) => Number.parseInt(sha256(id).slice(0, 1), 16) % 2;

async function tokensFrom(
  base: LanguageModel,
  items: readonly SuiteItem[],
  scorer: Scorer<RefusalVerdict>,
  signal?: AbortSignal,
): Promise<RefusalTokenSet> {
  const begun = new Map<number, { text: string; refusals: number; others: number }>();
  const failures = createFailures('openings from the base');
  let [refusals, answered] = [0, 0];
  for (const batch of inBatches(items, base.batchSize * (base.concurrency ?? 1))) {
    throwIfAborted(signal);
    const answers = await openingsOf(base, batch, failures, signal);
    const verdicts = await scorer.score(
      answers.map(({ item, text, finishReason }) => ({
        ...{ arm: 'base', repeat: 0, withThinking: false },
        ...{ item, completion: text, finishReason },
      })),
      signal,
    );
    answered += answers.length;
    for (const [at, { tokens }] of answers.entries()) {
      const first = tokens[0];
      if (!first) continue;
      const count = begun.get(first.id) ?? { text: first.text, refusals: 0, others: 0 };
      begun.set(first.id, count);
      if (verdicts[at]?.label === 'direct_refusal') {
        count.refusals++;
        refusals++;
      } else count.others++;
    }
  }
  const chosen = [...begun].filter(([, count]) => count.refusals > count.others).sort(([a], [b]) => a - b);
  const ids = chosen.map(([id]) => id);
  return {
    ids,
    texts: chosen.map(([, { text }]) => text),
    sha256: sha256Json(ids),
    refusals,
    answers: answered,
  };
}

/** How the base's answers begin; a prompt that fails alone is left out. */
async function openingsOf(
  base: LanguageModel,
  items: readonly SuiteItem[],
  failures: Failures,
  signal: AbortSignal | undefined,
): Promise<(Generation & { readonly item: SuiteItem })[]> {
  const ask = (asked: readonly SuiteItem[]) =>
    base.generate(
      asked.map(({ messages }) => ({ messages, seed: 0 })),
      opening,
      signal,
    );
  if (base.concurrency === undefined)
    return (await ask(items)).map((answer, at) => ({ ...answer, item: items[at]! }));
  const answers = new Array<Generation | undefined>(items.length);
  await inParallel(items.entries(), base.concurrency, async ([at, item]) => {
    try {
      [answers[at]] = await ask([item]);
      failures.answered();
    } catch (error) {
      noteAlone(error, [item], failures);
    }
  });
  return items.flatMap((item, at) => (answers[at] ? { ...answers[at], item } : []));
}

/** @throws what concerns more than these items. */
function noteAlone(error: unknown, items: readonly SuiteItem[], failures: Failures): void {
  if (!(error instanceof AuditError) || concernsAll(error)) throw error;
  failures.note(items.map(({ id }) => `${id}: ${error.message}`));
}

/**
 * The refusal margin ln P(R) − ln(1 − P(R)) of every plain prompt of the suite under one arm, P(R) the probability that
 * the first token is one of the refusal tokens; prompts whose set is empty have none. What the store holds already is
 * not computed again. Records come in the suite's order.
 * @throws AuditError `interrupted` when the signal fires, with every finished batch kept.
 */
export async function measureMargins(options: {
  readonly arm: string;
  readonly model: LanguageModel;
  readonly suite: Suite;
  readonly tokens: RefusalTokens;
  readonly store: Pick<RunStore, 'margins'>;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}): Promise<MarginRecord[]> {
  const { arm, model, tokens, store, onProgress, signal } = options;
  const batches = await planMargins(options);
  const journal = store.margins();
  const isFinished = ({ key, items }: MarginBatch) => journal.batch(key).length === items.length;
  const finished = new Set(batches.filter(isFinished).map(({ key }) => key));
  journal.retain((record) => record.arm !== arm || finished.has(record.batchKey));
  const count = (of: readonly MarginBatch[]) => of.reduce((sum, { items }) => sum + items.length, 0);
  const total = count(batches);
  const resumed = count(batches.filter(({ key }) => finished.has(key)));
  let done = resumed;
  onProgress?.({ done, total, resumed });
  const failures = createFailures(`first tokens from ${arm}`);
  try {
    const left = batches.filter(({ key }) => !finished.has(key));
    await inParallel(left, model.concurrency ?? 1, async ({ key, items, hashes, set }) => {
      throwIfAborted(signal);
      const { ids, sha256: tokensSha256 } = tokens.sets[set]!;
      const prompts = items.map(({ messages }) => ({ messages }));
      let masses: (FirstTokenMass | null)[];
      try {
        masses = await model.firstTokenMass!(prompts, ids, signal);
        failures.answered();
      } catch (error) {
        if (model.concurrency === undefined) throw error;
        noteAlone(error, items, failures);
        masses = items.map(() => null);
      }
      const made = items.map(({ id, condition }, at): MarginRecord => {
        const { probability, logOdds } = masses[at] ?? hidden;
        if (Number.isNaN(probability)) throw notANumber(id);
        return {
          schema: 'aftertune/margin@1',
          arm,
          suite: 'harm',
          id,
          condition,
          batchKey: key,
          promptSha256: hashes[at]!,
          tokensSha256,
          probability: probability === null ? null : round(probability),
          margin: logOdds !== null && Number.isFinite(logOdds) ? round(logOdds) : null,
        };
      });
      journal.append(made);
      done += made.length;
      onProgress?.({ done, total, resumed });
    });
  } finally {
    journal.flush();
  }
  return batches.flatMap(({ key }) => journal.batch(key));
}

interface MarginBatch {
  readonly key: string;
  readonly items: readonly SuiteItem[];
  readonly hashes: readonly string[];
  /** Which of the token sets. */
  readonly set: number;
}

async function planMargins({
  arm,
  model,
  suite,
  tokens,
}: {
  readonly arm: string;
  readonly model: LanguageModel;
  readonly suite: Suite;
  readonly tokens: RefusalTokens;
}): Promise<MarginBatch[]> {
  const plain = suite.items.filter(isPlain);
  const plan: MarginBatch[] = [];
  for (const [set, { ids, sha256: tokensSha256 }] of tokens.sets.entries()) {
    const own = tokens.sets.length === 1 ? plain : plain.filter((item) => halfOf(item) === set);
    if (ids.length === 0) continue;
    for (const items of inBatches(own, model.batchSize)) {
      const hashes = (await model.render(items.map(({ messages }) => messages))).map(
        (prompt) => prompt.sha256,
      );
      const asked = items.map(({ id }, at) => [id, hashes[at]]);
      const key = sha256Json({ margin: arm, model: model.fingerprint, tokens: tokensSha256, asked });
      plan.push({ key, items, hashes, set });
    }
  }
  return plan;
}

function inBatches<T>(values: readonly T[], size: number): T[][] {
  const count = Math.ceil(values.length / size);
  return Array.from({ length: count }, (_, at) => values.slice(at * size, (at + 1) * size));
}

/** A server's ten or twenty largest probabilities may not tell. */
const hidden = { probability: null, logOdds: null };
const round = (value: number) => Math.round(value * 1e6) / 1e6;

function notANumber(id: string): AuditError {
  return new AuditError('model', `the first token’s probabilities for item ${id} are not numbers`, {
    hint: 'the model or its adapter holds NaN or infinite values, or overflows: fetch or train it again',
  });
}
