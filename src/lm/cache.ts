import { masked } from './batch.ts';
import type { DecoderConfig } from './config.ts';

/** The keys and values of some rows, [B, heads, capacity, size] per layer; each row fills its own length. */
export interface Cache {
  readonly heads: number;
  readonly size: number;
  /** Positions that every row has room for. */
  capacity: number;
  /** Positions in use, per row: a token's place in the cache is its position. */
  lengths: number[];
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
}

/** @param layers how many layers of the decoder it serves. */
export function createCache(
  { kvHeads, headSize }: Pick<DecoderConfig, 'kvHeads' | 'headSize'>,
  layers: number,
  rows: number,
  capacity: number,
): Cache {
  const empty = () =>
    Array.from({ length: layers }, () => new Float32Array(rows * kvHeads * capacity * headSize));
  const lengths = Array<number>(rows).fill(0);
  return { heads: kvHeads, size: headSize, capacity, lengths, keys: empty(), values: empty() };
}

/** Rows [from, to) of a cache, in the same memory; its lengths are a copy. */
export function rowsOf(cache: Cache, from: number, to: number): Cache {
  const rowSize = cache.heads * cache.capacity * cache.size;
  const part = (tensor: Float32Array) => tensor.subarray(from * rowSize, to * rowSize);
  return {
    ...cache,
    lengths: cache.lengths.slice(from, to),
    keys: cache.keys.map(part),
    values: cache.values.map(part),
  };
}

/** Copies a layer's new keys or values [B, heads, S, size], `counts` of each row, behind the positions in use. */
export function append(
  { heads, size, capacity, lengths }: Cache,
  target: Float32Array,
  source: Float32Array,
  counts: readonly number[],
): void {
  const length = source.length / (counts.length * heads * size);
  for (const [b, count] of counts.entries()) {
    for (let head = 0; head < heads; head++) {
      const from = (b * heads + head) * length * size;
      const to = ((b * heads + head) * capacity + lengths[b]!) * size;
      target.set(source.subarray(from, from + count * size), to);
    }
  }
}

/** A layer's keys or values with room for `capacity` positions only, which must hold all in use. */
export function tighten(cache: Cache, tensor: Float32Array, capacity: number): Float32Array {
  const target = new Float32Array(cache.lengths.length * cache.heads * capacity * cache.size);
  for (const row of cache.lengths.keys()) copyRow(cache, tensor, row, target, row, capacity);
  return target;
}

/**
 * Lays a cache out anew: the given rows, of itself or of others, in that order and with room for `capacity`
 * positions. A row may be named more than once. One tensor after the other, so that only one exists twice.
 */
export function arrange(
  cache: Cache,
  rows: readonly { readonly of: Cache; readonly row: number }[],
  capacity: number,
): void {
  const { heads, size } = cache;
  const lengths = rows.map(({ of, row }) => of.lengths[row]!);
  for (const kind of ['keys', 'values'] as const) {
    for (const layer of cache[kind].keys()) {
      const target = new Float32Array(rows.length * heads * capacity * size);
      for (const [to, { of, row }] of rows.entries())
        copyRow(of, of[kind][layer]!, row, target, to, capacity);
      cache[kind][layer] = target;
    }
  }
  cache.capacity = capacity;
  cache.lengths = lengths;
}

function copyRow(
  from: Cache,
  source: Float32Array,
  row: number,
  target: Float32Array,
  to: number,
  capacity: number,
): void {
  const { heads, size, lengths } = from;
  for (let head = 0; head < heads; head++) {
    const start = (row * heads + head) * from.capacity * size;
    target.set(source.subarray(start, start + lengths[row]! * size), (to * heads + head) * capacity * size);
  }
}

/** Hides from every row's S new tokens the positions that the row does not use, [B, 1, 1, S, P]. */
export function pastMask(lengths: readonly number[], newTokens: number, past: number): Float32Array {
  const mask = new Float32Array(lengths.length * newTokens * past);
  for (const [b, length] of lengths.entries())
    for (let s = b * newTokens; s < (b + 1) * newTokens; s++)
      mask.fill(masked, s * past + length, (s + 1) * past);
  return mask;
}
