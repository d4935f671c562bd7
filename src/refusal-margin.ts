import { AuditError, concernsAll, throwIfAborted } from './errors.ts';
import type { Progress } from './evaluate.ts';
import { createFailures, type Failures } from './failures.ts';
import type { MarginRecord, OpeningRecord } from './harm-record.ts';
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
export const openingTokens = 32;
const opening: Decoding = {
  maxTokens: openingTokens,
  temperature: 0,
  topP: 1,
  topLogProbabilities: 1,
  seed: 0,
};

/**
 * Tokens that more often begin a refusal than another answer, among the base's greedy answers to `heldOut`, or without
 * those to each half of the suite's own prompts, halved by a hash of their ids. Kept as a stage of the run,
 * and every opening when it comes.
 * `scorer` tells a refusal in an answer's first words.
 * Source: Arditi et al. 2024, arXiv 2406.11717 (a set of refusal tokens; there it is chosen by hand).
 */
export async function chooseRefusalTokens(options: {
  readonly base: LanguageModel;
  readonly suite: Suite;
  readonly heldOut: readonly SuiteItem[] | null;
  readonly scorer: Scorer<RefusalVerdict>;
  readonly store: Pick<RunStore, 'stage' | 'openings'>;
  readonly signal?: AbortSignal;
}): Promise<RefusalTokens> {
  const { base, suite, heldOut, scorer, store } = options;
  const own = suite.items.filter(isPlain);
  const halves = [0, 1].map((half) => own.filter((item) => halfOf(item) !== half));
  const groups = heldOut ? [heldOut] : halves;
  const inputs = { base: base.fingerprint, scorer: scorer.fingerprint, opening };
  const prompts = groups.map((group) => group.map(({ messages }) => messages));
  return store.stage('refusal-tokens', { ...inputs, prompts }, async () => {
    const sets: RefusalTokenSet[] = [];
    for (const group of groups) sets.push(tokensFrom(await openingsOf(group, options)));
    return { chosenOn: heldOut ? ('held-out prompts' as const) : ('the other half' as const), sets };
  });
}

const halfOf = ({ id }: SuiteItem) => Number.parseInt(sha256(id).slice(0, 1), 16) % 2;

function tokensFrom(openings: readonly OpeningRecord[]): RefusalTokenSet {
  const begun = new Map<number, { text: string; refusals: number; others: number }>();
  for (const { token, refused } of openings) {
    if (!token) continue;
    const count = begun.get(token.id) ?? { text: token.text, refusals: 0, others: 0 };
    begun.set(token.id, count);
    if (refused) count.refusals++;
    else count.others++;
  }
  const chosen = [...begun].filter(([, count]) => count.refusals > count.others).sort(([a], [b]) => a - b);
  const ids = chosen.map(([id]) => id);
  return {
    ids,
    texts: chosen.map(([, { text }]) => text),
    sha256: sha256Json(ids),
    refusals: [...begun.values()].reduce((sum, { refusals }) => sum + refusals, 0),
    answers: openings.length,
  };
}

/** How the base's answers begin, in the prompts' order; a prompt that fails alone is left out. */
async function openingsOf(
  items: readonly SuiteItem[],
  { base, scorer, store, signal }: Parameters<typeof chooseRefusalTokens>[0],
): Promise<OpeningRecord[]> {
  const journal = store.openings();
  const by = { opening, base: base.fingerprint, scorer: scorer.fingerprint };
  const batches = inBatches(items, base.batchSize).map((asked) => ({
    asked,
    key: sha256Json({ ...by, prompts: asked.map(({ id, messages }) => [id, messages]) }),
  }));
  const left = batches.filter(({ asked, key }) => journal.batch(key).length !== asked.length);
  const torn = new Set(left.map(({ key }) => key));
  journal.retain(({ batchKey }) => !torn.has(batchKey));
  const failures = createFailures('openings from the base');
  try {
    await inParallel(left, base.concurrency ?? 1, async ({ asked, key }) => {
      throwIfAborted(signal);
      let answers: Generation[];
      try {
        const prompts = asked.map(({ messages }) => ({ messages, seed: 0 }));
        answers = await base.generate(prompts, opening, signal);
        failures.answered();
      } catch (error) {
        if (base.concurrency === undefined) throw error;
        noteAlone(error, asked, failures);
        return;
      }
      journal.append(await readOpenings(asked, answers, key, scorer, signal));
    });
  } finally {
    journal.flush();
  }
  return batches.flatMap(({ key }) => journal.batch(key));
}

async function readOpenings(
  items: readonly SuiteItem[],
  answers: readonly Generation[],
  batchKey: string,
  scorer: Scorer<RefusalVerdict>,
  signal: AbortSignal | undefined,
): Promise<OpeningRecord[]> {
  const answered = items.map((item, at) => {
    const { text, finishReason } = answers[at]!;
    return { arm: 'base', repeat: 0, withThinking: false, item, completion: text, finishReason };
  });
  const verdicts = await scorer.score(answered, signal);
  return items.map(({ id, condition }, at) => {
    const first = answers[at]!.tokens[0];
    const token = first ? { id: first.id, text: first.text } : null;
    const refused = verdicts[at]?.label === 'direct_refusal';
    return { schema: 'aftertune/opening@1', id, condition, batchKey, token, refused };
  });
}

/** @throws what concerns more than these items. */
function noteAlone(error: unknown, items: readonly SuiteItem[], failures: Failures): void {
  if (!(error instanceof AuditError) || concernsAll(error)) throw error;
  failures.note(
    items.map(({ id }) => `${id}: ${error.message}`),
    error.code === 'data',
  );
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
  const tell = (more: number) => onProgress?.({ done: (done += more), total, resumed });
  tell(0);
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
        // Without a record they have no margin now, and are asked for again when the run is started again.
        noteAlone(error, items, failures);
        tell(items.length);
        return;
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
      tell(made.length);
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
