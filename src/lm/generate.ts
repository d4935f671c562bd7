import { AuditError, throwIfAborted } from '../errors.ts';
import { createRandom, type Random } from '../random.ts';
import { arrange, type Cache } from './cache.ts';
import type { AttachedAdapter, Decoder } from './decoder.ts';
import { advance, prefill, type ReadSettings, type Runner } from './prefill.ts';
import { type SamplingSettings, sample } from './sampling.ts';

/** How one row is answered. */
export interface RowSettings extends SamplingSettings {
  readonly maxTokens: number;
  readonly stopIds: ReadonlySet<number>;
  /** Whether a row ends with the last of these tokens, which it keeps: how stop strings are found. */
  readonly stops?: (tokens: readonly SampledToken[]) => boolean;
  /** How many of the largest log-probabilities to give; default ten, what the paper's entropy is over. */
  readonly topLogProbabilities?: number;
  /** Whether to say which tokens those are. */
  readonly namesTop?: boolean;
}

/** How a batch is computed. */
export interface BatchSettings extends ReadSettings {
  /** See `batchInvariant`. */
  readonly invariant?: boolean;
}

export interface GenerateSettings extends RowSettings, BatchSettings {}

export interface SampledToken {
  readonly id: number;
  /** ln p under the model, before temperature. */
  readonly logProbability: number;
  /** Descending. */
  readonly topLogProbabilities: readonly number[];
  /** Of `topLogProbabilities`, where asked for. */
  readonly topIds?: readonly number[];
}

/** The cache grows by this many positions, so that short answers never pay for long ones. */
const growth = 32;

/**
 * What makes a row's numbers the same to the last bit in any company, on the CPU: its prompt is read by itself, and
 * one-token passes hold 2 to 16 rows and show a multiple of 64 positions. A lone row has a kernel of its own, from 17
 * columns on ONNX Runtime's product sums in other blocks, and its softmax sums what is left over after whole
 * vectors apart. Measured, not promised by ONNX Runtime: test/lm/batch-size.test.ts holds it to that.
 */
export const batchInvariant = { fewestRows: 2, mostRows: 16, grain: 64 } as const;

const capacityFor = (longest: number, invariant: boolean) =>
  invariant ? Math.ceil((longest + 1) / batchInvariant.grain) * batchInvariant.grain : longest + growth;

/** One row being answered. */
export interface Row {
  readonly settings: RowSettings;
  readonly random: Random;
  readonly tokens: SampledToken[];
  /** An ended row may ride along for a while; its tokens are final and its last position is overwritten. */
  ended: boolean;
}

export const createRow = (settings: RowSettings, seed: number): Row => ({
  settings,
  random: createRandom('sample', seed),
  tokens: [],
  ended: false,
});

/** Rows with what has been read of them: row b of the cache, and its last state, [B, d]. */
export interface Running {
  rows: readonly Row[];
  readonly cache: Cache;
  hidden: Float32Array;
  readonly invariant: boolean;
}

/** A row's double, there to be computed beside it. */
const companion = (row: Row): Row => ({ ...row, ended: true });

/** Reads the prompts of new rows, `ids` of each. */
export async function start(
  runner: Runner,
  rows: readonly Row[],
  ids: readonly (readonly number[])[],
  { invariant = false, ...settings }: BatchSettings,
): Promise<Running> {
  if (invariant && rows.length < batchInvariant.fewestRows)
    return start(runner, [rows[0]!, companion(rows[0]!)], [ids[0]!, ids[0]!], { invariant, ...settings });
  const longest = Math.max(...ids.map(({ length }) => length));
  const room = capacityFor(longest, invariant) - longest;
  const { cache, states } = await prefill(runner, ids, { ...settings, alone: invariant }, { room });
  return { rows, cache, hidden: stack(states), invariant };
}

/** States of several rows, [1, d] each, as one [B, d]. */
function stack(states: readonly Float32Array[]): Float32Array {
  const [first] = states;
  const out = new Float32Array(states.length * (first?.length ?? 0));
  for (const [row, state] of states.entries()) out.set(state, row * state.length);
  return out;
}

/** @throws AuditError `model` when a log-probability is not a number. */
export function assertFinite(logProbability: number): void {
  if (Number.isFinite(logProbability)) return;
  throw new AuditError('model', 'the model computes values that are not numbers', {
    hint: 'its weights or its adapter’s hold NaN or infinite values, or overflow: fetch or train them again',
  });
}

/** Appends to every row that has not ended the token it takes next, and ends those that end with it. */
export async function takeTokens(decoder: Decoder, { rows, cache, hidden }: Running): Promise<void> {
  const open = rows.filter((row) => !row.ended);
  const counts = open.map(({ settings }) => settings.topLogProbabilities ?? 10);
  const { logProbabilities, tokens, logits } = await decoder.distribution(
    hidden,
    Math.max(1, ...counts),
    open.some(({ settings }) => settings.temperature > 0),
    true,
  );
  const k = logProbabilities.length / rows.length;
  const { vocabularySize: vocabulary, contextLength } = decoder.config;
  for (const [b, row] of rows.entries()) {
    if (row.ended) continue;
    const { settings } = row;
    const top = Array.from(logProbabilities.subarray(b * k, (b + 1) * k));
    assertFinite(top[0]!);
    const taken =
      settings.temperature > 0
        ? sample(logits!.subarray(b * vocabulary, (b + 1) * vocabulary), settings, row.random)
        : { id: Number(tokens[b * k]), logProbability: top[0]! };
    const given = settings.topLogProbabilities ?? 10;
    row.tokens.push({
      ...taken,
      topLogProbabilities: top.slice(0, given),
      ...(settings.namesTop && {
        topIds: Array.from(tokens.subarray(b * k, b * k + Math.min(given, k)), Number),
      }),
    });
    row.ended =
      row.tokens.length >= settings.maxTokens ||
      cache.lengths[b]! >= contextLength ||
      settings.stopIds.has(taken.id) ||
      (settings.stops?.(row.tokens) ?? false);
  }
}

/**
 * Prepares a batch for its next tokens: lets `joining` in, makes room, and leaves ended rows behind where that is worth
 * laying the cache out anew, which copies it.
 * @returns whether any row is left to answer.
 */
export function settle(decoder: Decoder, running: Running, joining: Running | null = null): boolean {
  const { cache, rows, invariant } = running;
  const openOf = ({ rows, cache }: Running) =>
    rows.flatMap((row, b) => (row.ended ? [] : [{ row, place: { of: cache, row: b } }]));
  const open = [...openOf(running), ...(joining ? openOf(joining) : [])];
  if (!open.length) return false;
  const fits = Math.max(...cache.lengths) < Math.min(cache.capacity, decoder.config.contextLength);
  if (invariant && open.length < batchInvariant.fewestRows)
    open.push({ ...open[0]!, row: companion(open[0]!.row) });
  if (!joining && fits && open.length > rows.length * 0.75) return true;
  const places = open.map(({ place }) => place);
  const longest = Math.max(...places.map(({ of, row }) => of.lengths[row]!));
  arrange(cache, places, longest < cache.capacity ? cache.capacity : capacityFor(longest, invariant));
  running.rows = open.map(({ row }) => row);
  return true;
}

/** Reads the token that every row took last. */
export async function readTokens(runner: Runner, running: Running): Promise<void> {
  const { rows, cache } = running;
  const tokens = rows.map((row) => [row.tokens.at(-1)!.id]);
  running.hidden = await advance(runner, cache, tokens, cache.capacity);
  for (const [b, row] of rows.entries()) if (!row.ended) cache.lengths[b]!++;
}

/** A batch of prompts (token ids), all with the same settings; `seeds`: one per prompt, for sampling. See `answerRows`. */
export async function generate(
  decoder: Decoder,
  adapter: AttachedAdapter | null,
  prompts: readonly (readonly number[])[],
  seeds: readonly number[],
  settings: GenerateSettings,
  signal?: AbortSignal,
): Promise<SampledToken[][]> {
  const rows = prompts.map((_, index) => createRow(settings, seeds[index]!));
  return answerRows({ decoder, adapter }, rows, prompts, settings, signal);
}

/**
 * Answers a batch: prefill, then one token per row and step with a key/value cache.
 * Rows that have ended leave the batch a few at a time, by a rule that looks at the batch alone: the same batch is
 * computed alike whenever it is run.
 * Prompts must leave room: prompt tokens + 1 ≤ context length; a row also ends where the context does.
 * @param ids the prompt of each row.
 * @returns the rows' tokens.
 */
export async function answerRows(
  runner: Runner,
  rows: readonly Row[],
  ids: readonly (readonly number[])[],
  settings: BatchSettings,
  signal?: AbortSignal,
): Promise<SampledToken[][]> {
  const together = settings.invariant ? batchInvariant.mostRows : rows.length;
  for (let from = 0; from < rows.length; from += together) {
    throwIfAborted(signal);
    const to = from + together;
    const running = await start(runner, rows.slice(from, to), ids.slice(from, to), settings);
    await finish(runner, running, signal);
  }
  return rows.map((row) => row.tokens);
}

/** Takes tokens until every row has ended. */
async function finish(runner: Runner, running: Running, signal: AbortSignal | undefined): Promise<void> {
  await takeTokens(runner.decoder, running);
  while (settle(runner.decoder, running)) {
    throwIfAborted(signal);
    await readTokens(runner, running);
    await takeTokens(runner.decoder, running);
  }
}
