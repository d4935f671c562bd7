import { AuditError, throwIfAborted } from '../errors.ts';
import { createRandom, type Random } from '../random.ts';
import { createBatch } from './batch.ts';
import { append, type Cache, pastMask, relayout } from './cache.ts';
import type { AttachedAdapter, Decoder, Past } from './decoder.ts';
import { sample } from './sampling.ts';

export interface GenerateSettings {
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  readonly stopIds: ReadonlySet<number>;
  /** Attention scores of one prefill pass, at most, in floats: bounds memory; the default is 2²⁶, 256 MiB. */
  readonly largestScores?: number;
}

export interface SampledToken {
  readonly id: number;
  /** ln p under the model, before temperature. */
  readonly logProbability: number;
  /** Descending. */
  readonly topLogProbabilities: readonly number[];
}

/** How many of the largest log-probabilities leave the graph: what the paper's entropy is over. */
const topCount = 10;
/** The cache grows by this many positions, so that short answers never pay for long ones. */
const growth = 32;

/** One row being answered. */
interface Row {
  readonly index: number;
  readonly random: Random;
  readonly tokens: SampledToken[];
  /** Positions in use. */
  length: number;
  /** An ended row may ride along for a while; its tokens are final and its last position is overwritten. */
  ended: boolean;
}

/** Runs the layers over new tokens of every row, extends the cache, and returns each row's last hidden state. */
async function advance(
  decoder: Decoder,
  adapter: AttachedAdapter | null,
  rows: readonly Row[],
  tokens: readonly (readonly number[])[],
  cache: Cache,
  first: boolean,
): Promise<Float32Array> {
  const { kvHeads, headSize, layers, hiddenSize } = decoder.config;
  const used = rows.map((row) => row.length);
  const batch = createBatch(tokens, used);
  const counts = tokens.map((ids) => ids.length);
  const mask = first ? null : pastMask(used, cache.capacity);
  let x = decoder.embed(batch.ids);
  for (let index = 0; index < layers; index++) {
    const past: Past | undefined = mask
      ? { key: cache.keys[index]!, value: cache.values[index]!, length: cache.capacity, mask }
      : undefined;
    const result = await decoder.layer(index, x, batch, adapter, past);
    append(cache.keys[index]!, cache.capacity, result.key, used, counts, batch.length, kvHeads, headSize);
    append(cache.values[index]!, cache.capacity, result.value, used, counts, batch.length, kvHeads, headSize);
    x = result.y;
  }
  const last = new Float32Array(rows.length * hiddenSize);
  for (const [b, row] of rows.entries()) {
    if (!row.ended) row.length += counts[b]!;
    const at = (b * batch.length + counts[b]! - 1) * hiddenSize;
    last.set(x.subarray(at, at + hiddenSize), b * hiddenSize);
  }
  return last;
}

/** The prompts of a batch, as many rows at a time as attention's memory allows; a single row is never split. */
async function prefill(
  decoder: Decoder,
  adapter: AttachedAdapter | null,
  rows: readonly Row[],
  prompts: readonly (readonly number[])[],
  cache: Cache,
  largestScores = 2 ** 26,
): Promise<Float32Array> {
  const { heads, kvHeads, headSize, hiddenSize } = decoder.config;
  const longest = Math.max(...prompts.map((ids) => ids.length));
  const together = Math.max(1, Math.floor(largestScores / (heads * longest ** 2)));
  const rowSize = kvHeads * cache.capacity * headSize;
  const last = new Float32Array(rows.length * hiddenSize);
  for (let from = 0; from < rows.length; from += together) {
    const to = Math.min(from + together, rows.length);
    const part = (tensor: Float32Array) => tensor.subarray(from * rowSize, to * rowSize);
    const view = { capacity: cache.capacity, keys: cache.keys.map(part), values: cache.values.map(part) };
    const own = await advance(decoder, adapter, rows.slice(from, to), prompts.slice(from, to), view, true);
    last.set(own, from * hiddenSize);
  }
  return last;
}

function notANumber(): AuditError {
  return new AuditError('model', 'the model computes values that are not numbers', {
    hint: 'its weights or its adapter’s hold NaN or infinite values, or overflow: fetch or train them again',
  });
}

/** Appends to every row that has not ended the token it takes next. */
async function takeTokens(
  decoder: Decoder,
  rows: readonly Row[],
  hidden: Float32Array,
  settings: GenerateSettings,
): Promise<void> {
  const { logProbabilities, tokens, logits } = await decoder.distribution(
    hidden,
    topCount,
    settings.temperature > 0,
  );
  const k = logProbabilities.length / rows.length;
  const vocabulary = decoder.config.vocabularySize;
  for (const [b, row] of rows.entries()) {
    if (row.ended) continue;
    const top = Array.from(logProbabilities.subarray(b * k, (b + 1) * k));
    if (!Number.isFinite(top[0])) throw notANumber();
    const greedy = { id: Number(tokens[b * k]), logProbability: top[0]! };
    const taken = logits
      ? sample(logits.subarray(b * vocabulary, (b + 1) * vocabulary), settings, row.random)
      : greedy;
    row.tokens.push({ ...taken, topLogProbabilities: top });
  }
}

/**
 * Answers a batch of prompts (token ids): prefill, then one token per row and step with a key/value cache.
 * Rows that have ended leave the batch a few at a time, by a rule that looks at the batch alone: the same batch is
 * computed alike whenever it is run.
 * Prompts must leave room: prompt tokens + 1 ≤ context length; a row also ends where the context does.
 * @param seeds one per prompt, for sampling.
 */
export async function generate(
  decoder: Decoder,
  adapter: AttachedAdapter | null,
  prompts: readonly (readonly number[])[],
  seeds: readonly number[],
  settings: GenerateSettings,
  signal?: AbortSignal,
): Promise<SampledToken[][]> {
  const { kvHeads, headSize, layers, contextLength } = decoder.config;
  const all: Row[] = prompts.map((_, index) => ({
    index,
    random: createRandom('sample', seeds[index]!),
    tokens: [],
    length: 0,
    ended: false,
  }));
  const room = Math.max(...prompts.map((ids) => ids.length)) + growth;
  const empty = () =>
    Array.from({ length: layers }, () => new Float32Array(all.length * kvHeads * room * headSize));
  const cache: Cache = { capacity: room, keys: empty(), values: empty() };
  const ends = (row: Row) =>
    row.tokens.length >= settings.maxTokens ||
    row.length >= contextLength ||
    settings.stopIds.has(row.tokens.at(-1)!.id);

  let rows = all;
  let hidden = await prefill(decoder, adapter, rows, prompts, cache, settings.largestScores);
  while (rows.length) {
    throwIfAborted(signal);
    await takeTokens(decoder, rows, hidden, settings);
    for (const row of rows) row.ended ||= ends(row);
    const kept = [...rows.keys()].filter((b) => !rows[b]!.ended);
    if (!kept.length) break;
    const longest = Math.max(...rows.map((row) => row.length));
    const fits = longest < Math.min(cache.capacity, contextLength);
    // Laying the cache out anew copies it, so ended rows are only worth dropping a few at a time.
    if (!fits || kept.length <= rows.length * 0.75) {
      const capacity = longest < cache.capacity ? cache.capacity : cache.capacity + growth;
      for (const tensors of [cache.keys, cache.values]) {
        for (const [index, tensor] of tensors.entries())
          tensors[index] = relayout(tensor, cache.capacity, kept, capacity, kvHeads, headSize);
      }
      cache.capacity = capacity;
      rows = kept.map((b) => rows[b]!);
    }
    hidden = await advance(
      decoder,
      adapter,
      rows,
      rows.map((row) => [row.tokens.at(-1)!.id]),
      cache,
      false,
    );
  }
  return all.map((row) => row.tokens);
}
