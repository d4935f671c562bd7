import { askBatch, type BatchAnswer } from './ask-batch.ts';
import { AuditError, concernsAll, firstProblems, throwIfAborted } from './errors.ts';
import { createFailures } from './failures.ts';
import { sha256Json } from './hash.ts';
import type { Generation, LanguageModel, RenderedPrompt } from './model.ts';
import { inParallel } from './parallel.ts';
import { createRandom } from './random.ts';
import type { ItemRecord, TopLogprobsRecord } from './record.ts';
import type { RunStore } from './store.ts';
import type { Suite, SuiteItem } from './suite.ts';
import { splitThinking } from './thinking.ts';
import { tokenLengths } from './token-lengths.ts';
import { scoreTokens, topLogProbabilities } from './uncertainty.ts';

/** How far a pass over items has come. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Of `done`: found finished when the pass began, so not to be counted in a rate. */
  readonly resumed: number;
}

/** One item to ask once. */
export interface PlannedPrompt {
  readonly item: SuiteItem;
  /** From 0. */
  readonly repeat: number;
  readonly rendered: RenderedPrompt;
  readonly seed: number;
}

/** Prompts generated together, always in this company: whether a run was resumed must not change a single number. */
export type PlannedBatch = readonly PlannedPrompt[];

/**
 * Batches of like length, the longest first so that memory peaks at once. A function of the suite, its prompts and
 * the two numbers alone, never of what is left to do.
 * `rendered`: one per item of the suite, in its order.
 */
export function planBatches(
  suite: Suite,
  rendered: readonly RenderedPrompt[],
  batchSize: number,
  repeats = 1,
): PlannedBatch[] {
  const prompts = suite.items.flatMap((item, index) =>
    Array.from({ length: repeats }, (_, repeat) => ({
      item,
      repeat,
      rendered: rendered[index]!,
      seed: createRandom(seedOf(suite, item), item.id, item.condition, repeat).integer(2 ** 31),
    })),
  );
  const sorted = prompts.toSorted((a, b) => b.rendered.tokenCount - a.rendered.tokenCount);
  const count = Math.ceil(sorted.length / batchSize);
  return Array.from({ length: count }, (_, batch) =>
    sorted.slice(batch * batchSize, (batch + 1) * batchSize),
  );
}

const seedOf = ({ decoding, variance }: Suite, { variation }: SuiteItem): number =>
  (variation && variance?.seeds[variation.seed]) ?? decoding.seed;

export interface EvaluateOptions {
  readonly arm: string;
  readonly model: LanguageModel;
  readonly suite: Suite;
  readonly store: Pick<RunStore, 'items' | 'topLogprobs'>;
  /** How often each item is asked, each time with a seed of its own. */
  readonly repeats?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Asks a model everything in a suite; what the store already holds of it is not asked again, a batch that was cut off
 * is redone whole, and what it holds of another model, prompt or decoding for this arm and suite is dropped.
 * The records come in the suite's order, repeats together. A model that is asked for several batches at once has each
 * kept when it comes; what fails alone, after every attempt, is kept as a failure with its reason, and asked again when
 * the run is started again.
 * @throws AuditError `data` listing every prompt that does not fit the context, before anything is generated;
 * `interrupted` when the signal fires, with every finished batch kept; `network` when nothing is answered any more.
 */
export async function evaluate(options: EvaluateOptions): Promise<ItemRecord[]> {
  const { arm, model, suite, store, repeats = 1, onProgress, signal } = options;
  throwIfAborted(signal);
  const rendered = await model.render(suite.items.map(({ messages }) => messages));
  refuseLongPrompts(model, suite, rendered);
  const batches = planBatches(suite, rendered, model.batchSize, repeats).map((prompts) => ({
    prompts,
    key: batchKey(arm, model, suite, prompts),
  }));
  const journals = [store.items, ...(store.topLogprobs ? [store.topLogprobs] : [])];
  const failed = new Set(store.items.records().flatMap((record) => (record.failure ? record.batchKey : [])));
  const finished = new Set(
    batches
      .filter(
        ({ key, prompts }) =>
          !failed.has(key) && journals.every((journal) => journal.batch(key).length === prompts.length),
      )
      .map(({ key }) => key),
  );
  for (const journal of journals) {
    journal.retain(
      (record) => record.arm !== arm || record.suite !== suite.kind || finished.has(record.batchKey),
    );
  }

  const total = suite.items.length * repeats;
  const resumed = batches.reduce(
    (sum, { key, prompts }) => sum + (finished.has(key) ? prompts.length : 0),
    0,
  );
  let done = resumed;
  onProgress?.({ done, total, resumed });
  const failures = createFailures(`${suite.kind} from ${arm}`);
  const keep = (records: readonly ItemRecord[], generations: readonly Pick<Generation, 'tokens'>[]) => {
    store.items.append(records);
    store.topLogprobs?.append(records.map((record, at) => toTopLogprobs(record, generations[at]!)));
    done += records.length;
    onProgress?.({ done, total, resumed });
  };
  const left = batches.filter(({ key }) => !finished.has(key));
  try {
    await inParallel(left, model.concurrency ?? 1, async ({ key, prompts }) => {
      throwIfAborted(signal);
      const start = performance.now();
      let generations: Awaited<ReturnType<typeof askBatch>>;
      try {
        generations = await askBatch(model, prompts, suite.decoding, signal);
      } catch (error) {
        if (model.concurrency === undefined || !(error instanceof AuditError) || concernsAll(error))
          throw error;
        const why = error.message;
        keep(
          prompts.map((prompt) => toFailure(arm, suite, key, prompt, why)),
          prompts.map(() => ({ tokens: [] })),
        );
        // What has failed before says nothing new of the server.
        failures.note(
          prompts.map(({ item }) => `${item.id} (${item.condition}): ${why}`),
          failed.has(key),
        );
        return;
      }
      failures.answered();
      const milliseconds = (performance.now() - start) / prompts.length;
      const records = prompts.map((prompt, at) =>
        toRecord(arm, suite, key, prompt, generations[at], milliseconds),
      );
      keep(records, generations as BatchAnswer[]);
    });
    failures.throwIfAll(resumed);
  } finally {
    for (const journal of journals) journal.flush();
  }
  return inSuiteOrder(
    suite,
    batches.flatMap(({ key }) => store.items.batch(key)),
  );
}

/** Everything that decides what a batch's answers are: the cache key. */
function batchKey(arm: string, model: LanguageModel, suite: Suite, prompts: PlannedBatch): string {
  return sha256Json({
    arm,
    suite: [suite.kind, suite.version],
    model: model.fingerprint,
    decoding: suite.decoding,
    prompts: prompts.map(({ item, repeat, rendered, seed }) => [
      item.id,
      item.condition,
      repeat,
      rendered.sha256,
      seed,
      ...(item.prefill ? [item.prefill] : []),
      ...(item.key?.choices ? [item.key.choices] : []),
    ]),
  });
}

function toRecord(
  arm: string,
  suite: Suite,
  key: string,
  { item, repeat, rendered }: PlannedPrompt,
  generation: BatchAnswer | undefined,
  milliseconds: number,
): ItemRecord {
  if (!generation) throw new Error(`internal: the model gave no answer to item ${item.id}`);
  if (!generation.tokens.every(({ logProbability }) => Number.isFinite(logProbability))) {
    throw new AuditError(
      'model',
      `the answer to item ${item.id} has log-probabilities that are not numbers`,
      {
        hint: 'the model or its adapter holds NaN or infinite values, or overflows: fetch or train it again',
      },
    );
  }
  const { choiceLogProbabilities } = generation;
  const { thinking, answer, thinkingTokens } = choiceLogProbabilities
    ? { thinking: null, answer: generation.text, thinkingTokens: 0 }
    : splitThinking(rendered.text, generation);
  const answerTokens = generation.tokens.slice(thinkingTokens).filter(({ endOfTurn }) => !endOfTurn);
  const lengths = answerTokens.length > 0 ? tokenLengths(answerTokens, answer) : null;
  return {
    schema: 'aftertune/item@1',
    arm,
    suite: suite.kind,
    id: item.id,
    condition: item.condition,
    repeat,
    batchKey: key,
    promptSha256: rendered.sha256,
    promptTokens: generation.promptTokens,
    ...(item.prefill && { prefill: item.prefill }),
    completion: answer,
    ...(thinking !== null && { thinking, thinkingTokens }),
    ...(choiceLogProbabilities && { choiceLogProbabilities }),
    finishReason: generation.finishReason,
    ...scoreTokens(generation.tokens, thinkingTokens),
    ...(lengths && { tokenLengths: lengths }),
    milliseconds: Math.round(milliseconds * 1000) / 1000,
  };
}

/** An item that got no answer: empty, and with the reason. */
function toFailure(
  arm: string,
  suite: Suite,
  key: string,
  { item, repeat, rendered }: PlannedPrompt,
  why: string,
): ItemRecord {
  return {
    ...{ schema: 'aftertune/item@1', arm, suite: suite.kind, id: item.id, condition: item.condition, repeat },
    ...{ batchKey: key, promptSha256: rendered.sha256, promptTokens: null, completion: '', failure: why },
    ...(item.prefill && { prefill: item.prefill }),
    ...{ finishReason: null, ...scoreTokens([], 0), milliseconds: null },
  };
}

function toTopLogprobs(
  { arm, suite, id, condition, repeat, batchKey }: ItemRecord,
  { tokens }: Pick<Generation, 'tokens'>,
): TopLogprobsRecord {
  return {
    schema: 'aftertune/top-logprobs@1',
    arm,
    suite,
    id,
    condition,
    repeat,
    batchKey,
    topLogProbabilities: topLogProbabilities(tokens),
  };
}

function refuseLongPrompts(model: LanguageModel, suite: Suite, rendered: readonly RenderedPrompt[]): void {
  const problems = suite.items.flatMap(({ id, condition, prefillTokens = 0 }, index) => {
    const tokenCount = rendered[index]!.tokenCount + prefillTokens;
    return tokenCount < model.contextLength
      ? []
      : [`${suite.kind} ${id} (${condition}): ${tokenCount} tokens`];
  });
  if (problems.length === 0) return;
  throw new AuditError(
    'data',
    `${problems.length} prompts do not fit the context of ${model.contextLength} tokens of ${model.name}`,
    {
      problems: firstProblems(problems),
      hint: 'shorten or leave out these rows',
    },
  );
}

/** `records` in the order of the suite's items, repeats together. */
export function inSuiteOrder(suite: Pick<Suite, 'items'>, records: readonly ItemRecord[]): ItemRecord[] {
  const place = new Map(
    suite.items.map(({ id, condition }, index) => [JSON.stringify([id, condition]), index]),
  );
  const placeOf = ({ id, condition }: ItemRecord) => place.get(JSON.stringify([id, condition]))!;
  return records.toSorted((a, b) => placeOf(a) - placeOf(b) || a.repeat - b.repeat);
}
