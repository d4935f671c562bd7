import { masked } from './batch.ts';

/** The keys and values of all rows, [B, H, capacity, h] per layer; each row fills its own length. */
export interface Cache {
  capacity: number;
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
}

/** Copies new keys or values [B, H, S, h], `counts` of each row, behind the `used` positions of a cache tensor. */
export function append(
  target: Float32Array,
  capacity: number,
  source: Float32Array,
  used: readonly number[],
  counts: readonly number[],
  length: number,
  heads: number,
  size: number,
): void {
  for (const [b, count] of counts.entries()) {
    for (let head = 0; head < heads; head++) {
      const from = (b * heads + head) * length * size;
      target.set(
        source.subarray(from, from + count * size),
        ((b * heads + head) * capacity + used[b]!) * size,
      );
    }
  }
}

/** A cache tensor laid out anew: the kept rows, room for `capacity` positions. */
export function relayout(
  source: Float32Array,
  from: number,
  kept: readonly number[],
  capacity: number,
  heads: number,
  size: number,
): Float32Array {
  const target = new Float32Array(kept.length * heads * capacity * size);
  for (const [to, b] of kept.entries()) {
    for (let head = 0; head < heads; head++) {
      const start = (b * heads + head) * from * size;
      target.set(
        source.subarray(start, start + Math.min(from, capacity) * size),
        (to * heads + head) * capacity * size,
      );
    }
  }
  return target;
}

/** Hides the positions a row does not use. */
export function pastMask(used: readonly number[], capacity: number): Float32Array {
  const mask = new Float32Array(used.length * capacity);
  for (const [b, count] of used.entries()) mask.fill(masked, b * capacity + count, (b + 1) * capacity);
  return mask;
}
