import { createBatch } from './batch.ts';
import { append, arrange, type Cache, createCache, pastMask, rowsOf, tighten } from './cache.ts';
import type { AttachedAdapter, Decoder, Past } from './decoder.ts';

/** Reading tokens into a key/value cache: prompts in parts that bound memory, what they share once. */

export interface ReadSettings {
  /** Attention scores of one pass, at most, in floats: bounds memory; the default is 2²⁶, 256 MiB. */
  readonly largestScores?: number;
  /** The shortest common beginning that is worth a pass of its own, tokens; Infinity: none is. */
  readonly shortestShared?: number;
  /** Every row is read by itself and no beginning is shared: what a row is computed with is a function of it alone. */
  readonly alone?: boolean;
}

/** A pass has a fixed cost, and its products are as fast as they get from about this many rows on. */
const defaultShortestShared = 32;

/** Some rows at work: who computes, and with what. */
export interface Runner {
  readonly decoder: Decoder;
  readonly adapter: AttachedAdapter | null;
}

/**
 * Runs the cache's layers over new tokens of every row, right-padded to S, behind what the rows hold, and adds their
 * keys and values; the rows' lengths are the caller's to change.
 * @param past how many positions the layers are shown: at least the longest row's; the whole capacity costs no copy.
 * @returns the last layer's output, [B·S, d].
 */
export async function advance(
  { decoder, adapter }: Runner,
  cache: Cache,
  tokens: readonly (readonly number[])[],
  past: number,
): Promise<Float32Array> {
  const batch = createBatch(tokens, cache.lengths);
  const counts = tokens.map((ids) => ids.length);
  const mask = past > 0 ? pastMask(cache.lengths, batch.length, past) : null;
  const shown = (tensor: Float32Array) => (past === cache.capacity ? tensor : tighten(cache, tensor, past));
  let x = decoder.embed(batch.ids);
  for (const [layer, key] of cache.keys.entries()) {
    const value = cache.values[layer]!;
    const earlier: Past | undefined = mask
      ? { key: shown(key), value: shown(value), length: past, mask }
      : undefined;
    const result = await decoder.layer(layer, x, batch, adapter, earlier);
    append(cache, key, result.key, counts);
    append(cache, value, result.value, counts);
    x = result.y;
  }
  return x;
}

/**
 * Reads tokens behind what each row of a cache holds, as many rows at a time as memory for attention allows, and a
 * long row in parts.
 * @param keep of how many last tokens the states are wanted, per row.
 * @returns per row the last layer's output for those, [keep, d].
 */
export async function read(
  runner: Runner,
  cache: Cache,
  tokens: readonly (readonly number[])[],
  keep: readonly number[],
  { largestScores = 2 ** 26, alone = false }: ReadSettings,
): Promise<Float32Array[]> {
  const { heads, hiddenSize: width } = runner.decoder.config;
  const plan = (rows: readonly (readonly number[])[], lengths: readonly number[]) => {
    const longest = Math.max(...rows.map((ids) => ids.length));
    const affordable = Math.floor(largestScores / (heads * (longest + Math.max(...lengths))));
    const together = alone ? 1 : Math.max(1, Math.floor(affordable / longest));
    return { together, step: Math.max(1, Math.min(affordable, longest)) };
  };
  const { together, step: common } = plan(tokens, cache.lengths);
  const states = tokens.map((_, row) => new Float32Array(keep[row]! * width));
  for (let from = 0; from < tokens.length; from += together) {
    const part = tokens.slice(from, from + together);
    const view = rowsOf(cache, from, from + part.length);
    const end = Math.max(...part.map((ids) => ids.length));
    const step = alone ? plan(part, view.lengths).step : common;
    for (let start = 0; start < end; start += step) {
      const piece = part.map((ids) => ids.slice(start, start + step));
      const x = await advance(runner, view, piece, Math.max(...view.lengths));
      const length = x.length / (piece.length * width);
      for (const [b, ids] of piece.entries()) {
        const unwanted = part[b]!.length - keep[from + b]!;
        for (let s = Math.max(0, unwanted - start); s < ids.length; s++) {
          const at = (b * length + s) * width;
          states[from + b]!.set(x.subarray(at, at + width), (start + s - unwanted) * width);
        }
        view.lengths[b]! += ids.length;
      }
    }
    cache.lengths.splice(from, part.length, ...view.lengths);
  }
  return states;
}

/** How many tokens all rows begin with alike, leaving each row what is wanted of it. */
function commonLength(rows: readonly (readonly number[])[], keep: readonly number[]): number {
  const limit = Math.min(...rows.map((ids, row) => ids.length - keep[row]!));
  const [first] = rows;
  let length = 0;
  while (length < limit && rows.every((ids) => ids[length] === first![length])) length++;
  return length;
}

interface Distinct {
  /** The prompts to read, by index. */
  readonly rows: readonly number[];
  /** For every prompt its place in `rows`. */
  readonly places: readonly number[];
}

/** Of equal prompts the first. */
function distinct(prompts: readonly (readonly number[])[], keep: readonly number[]): Distinct {
  const known = new Map<string, number>();
  const rows: number[] = [];
  const places = prompts.map((ids, row) => {
    const key = `${ids.join()} ${keep[row]}`;
    const place = known.get(key) ?? rows.push(row) - 1;
    known.set(key, place);
    return place;
  });
  return { rows, places };
}

/**
 * Reads prompts into a new cache with `room` positions behind the longest. A beginning that all of them share is
 * computed once, and so are equal prompts; which tokens that saves depends on the prompts alone.
 * @param keep of how many last tokens of each prompt the states are wanted; at least one.
 * @param layers how many of the decoder's layers to run.
 * @returns the cache, a row per prompt, and per prompt the last of these layers' output, [keep, d].
 */
export async function prefill(
  runner: Runner,
  prompts: readonly (readonly number[])[],
  settings: ReadSettings,
  { room = 0, keep = prompts.map(() => 1), layers = runner.decoder.config.layers } = {},
): Promise<{ cache: Cache; states: Float32Array[] }> {
  const { shortestShared = defaultShortestShared, alone = false } = settings;
  const { rows, places } = distinct(prompts, keep);
  const own = rows.map((row) => prompts[row]!);
  const kept = rows.map((row) => keep[row]!);
  const capacity = Math.max(...prompts.map((ids) => ids.length)) + room;
  const common = !alone && own.length > 1 ? commonLength(own, kept) : 0;
  const shared = common >= shortestShared ? common : 0;
  const cache = createCache(runner.decoder.config, layers, shared ? 1 : own.length, shared || capacity);
  const repeat = (places: readonly number[]) =>
    arrange(
      cache,
      places.map((row) => ({ of: cache, row })),
      capacity,
    );
  if (shared) {
    await read(runner, cache, [own[0]!.slice(0, shared)], [0], settings);
    repeat(own.map(() => 0));
  }
  const rest = own.map((ids) => ids.slice(shared));
  const states = await read(runner, cache, rest, kept, settings);
  if (own.length < prompts.length) repeat(places);
  return { cache, states: places.map((place) => states[place]!) };
}
