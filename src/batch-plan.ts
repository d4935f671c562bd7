import { canonicalJson, sha256 } from './hash.ts';
import type { LanguageModel, RenderedPrompt } from './model.ts';
import { createRandom } from './random.ts';
import { renderPrompts } from './rendered-prompts.ts';
import type { Suite, SuiteItem } from './suite.ts';

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

/** The batches of a suite, from 0. Memory holds some 50 bytes a prompt: a batch is put together when it is looked at. */
export interface BatchPlan {
  readonly length: number;
  /** By item of the suite. */
  readonly tokenCounts: Uint32Array;
  /** How many prompts a batch has. */
  size(batch: number): number;
  /** The cache key: covers everything that decides what a batch's answers are. */
  key(batch: number, arm: string): string;
  prompts(batch: number): Promise<PlannedBatch>;
}

/**
 * Batches of like length, the longest first so that memory peaks at once. A function of the suite, the model and
 * `repeats` alone, never of what is left to do.
 */
export async function planBatches(
  suite: Suite,
  model: Pick<LanguageModel, 'render' | 'batchSize' | 'fingerprint'>,
  repeats = 1,
): Promise<BatchPlan> {
  const { items } = suite;
  const { batchSize } = model;
  const { tokenCounts, sha256: sha256Of } = await renderPrompts(model, items);
  const itemOf = (prompt: number) => Math.floor(prompt / repeats);
  const order = new Uint32Array(items.length * repeats)
    .map((_, prompt) => prompt)
    .sort((a, b) => tokenCounts[itemOf(b)]! - tokenCounts[itemOf(a)]! || a - b);
  const promptsOf = (batch: number) => [...order.subarray(batch * batchSize, (batch + 1) * batchSize)];
  /** Of every prompt whose seed has been looked at, 1 + it. */
  const seeds = new Uint32Array(order.length);
  const seedOf = (prompt: number): number => {
    if (seeds[prompt] === 0) {
      const item = items[itemOf(prompt)]!;
      const random = createRandom(decodingSeed(suite, item), item.id, item.condition, prompt % repeats);
      seeds[prompt] = 1 + random.integer(2 ** 31);
    }
    return seeds[prompt]! - 1;
  };
  /** What stands before and after the prompts in the canonical JSON whose hash a key is. */
  const frames = new Map<string, string[]>();
  const frameOf = (arm: string) => {
    const { kind, version, decoding } = suite;
    const frame =
      frames.get(arm) ??
      canonicalJson({
        ...{ arm, suite: [kind, version], model: model.fingerprint, decoding },
        prompts: placeholder,
      }).split(JSON.stringify(placeholder));
    frames.set(arm, frame);
    return frame;
  };
  return {
    length: Math.ceil(order.length / batchSize),
    tokenCounts,
    size: (batch) => Math.min(batchSize, order.length - batch * batchSize),
    key: (batch, arm) => {
      const asked = promptsOf(batch).map((prompt) => {
        const [at, repeat] = [itemOf(prompt), prompt % repeats];
        const { id, condition, prefill, key } = items[at]!;
        return [
          ...[id, condition, repeat, sha256Of(at), seedOf(prompt)],
          ...(prefill ? [prefill] : []),
          ...(key?.choices ? [key.choices] : []),
        ];
      });
      const [before, after] = frameOf(arm);
      return sha256(`${before}${JSON.stringify(asked)}${after}`);
    },
    prompts: async (batch) => {
      const prompts = promptsOf(batch);
      const rendered = await model.render(prompts.map((prompt) => items[itemOf(prompt)]!.messages));
      return prompts.map((prompt, at) => {
        const [item, repeat] = [items[itemOf(prompt)]!, prompt % repeats];
        return { item, repeat, rendered: rendered[at]!, seed: seedOf(prompt) };
      });
    },
  };
}

/** In no other text. */
const placeholder = '\u0000prompts\u0000';

const decodingSeed = ({ decoding, variance }: Suite, { variation }: SuiteItem): number =>
  (variation && variance?.seeds[variation.seed]) ?? decoding.seed;
