import { ahead } from './ahead.ts';
import { askBatch, type BatchAnswer } from './ask-batch.ts';
import { type PlannedPrompt, planBatches } from './batch-plan.ts';
import { AuditError, concernsAll, firstProblems, throwIfAborted } from './errors.ts';
import { createFailures } from './failures.ts';
import type { Journal, Part } from './journal.ts';
import type { Generation, LanguageModel } from './model.ts';
import { inParallel } from './parallel.ts';
import type { ItemRecord, TopLogprobsRecord, VerdictRecord } from './record.ts';
import { placesIn, type Records } from './records.ts';
import { resumeBatches } from './resumed-batches.ts';
import type { RunStore } from './store.ts';
import type { Suite } from './suite.ts';
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
export async function evaluate(options: EvaluateOptions): Promise<Records<ItemRecord>> {
  const { arm, model, suite, store, repeats = 1, onProgress, signal } = options;
  throwIfAborted(signal);
  const plan = await planBatches(suite, model, repeats);
  refuseLongPrompts(model, suite, plan.tokenCounts);
  const journals = [store.items, ...(store.topLogprobs ? [store.topLogprobs] : [])];
  const part = { arm, suite: suite.kind };
  const failed = new Set<string>();
  const { left, resumed } = resumeBatches<ItemRecord | TopLogprobsRecord>(
    { ...plan, key: (batch) => plan.key(batch, arm) },
    part,
    journals,
    (key) => {
      if (store.items.batch(key).some(({ failure }) => failure !== undefined)) failed.add(key);
    },
  );
  const total = suite.items.length * repeats;
  let done = resumed;
  onProgress?.({ done, total, resumed });
  const failures = createFailures(`${suite.kind} from ${arm}`);
  const keep = (records: readonly ItemRecord[], generations: readonly Pick<Generation, 'tokens'>[]) => {
    store.items.append(records);
    store.topLogprobs?.append(records.map((record, at) => toTopLogprobs(record, generations[at]!)));
    done += records.length;
    onProgress?.({ done, total, resumed });
  };
  try {
    const atOnce = model.concurrency ?? 1;
    const prepare = async (batch: number) => ({
      key: plan.key(batch, arm),
      prompts: await plan.prompts(batch),
    });
    await inParallel(ahead(left, atOnce, prepare), atOnce, async (prepared) => {
      throwIfAborted(signal);
      const { key, prompts } = await prepared;
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
        failures.note(
          prompts.map(({ item }) => `${item.id} (${item.condition}): ${why}`),
          error.code === 'data' || failed.has(key),
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
  return inSuiteOrder(store.items, part, suite.items);
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

function refuseLongPrompts(model: LanguageModel, suite: Suite, tokenCounts: Uint32Array): void {
  const problems = suite.items.flatMap(({ id, condition, prefillTokens = 0 }, index) => {
    const tokenCount = tokenCounts[index]! + prefillTokens;
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

/** An arm's records of a suite in the order of its items, repeats together. */
export function inSuiteOrder<T extends ItemRecord | VerdictRecord>(
  journal: Journal<T>,
  part: Part,
  items: Suite['items'],
): Records<T> {
  return journal.ordered(part, () => {
    const placeOf = placesIn(items);
    return (record) => placeOf(record) * mostRepeats + record.repeat;
  });
}

/** More than can be asked for. */
const mostRepeats = 2 ** 20;
