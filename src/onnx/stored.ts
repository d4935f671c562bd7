import { bfloat16ToFloat, halfToFloat } from './tensor.ts';

/**
 * A weight as it lies in memory. Matrices are [out, in], row-major; a plain Float32Array is float32.
 * What is not float32 is decoded inside the graph that uses it, so a model takes the memory of its file.
 */
export type Stored = Float32Array | Halves | Blocks | NormalFloat;

/** Two bytes per value. */
export interface Halves {
  readonly format: 'f16' | 'bf16';
  readonly data: Uint16Array;
}

/** value = (code − zero) · scale, with one scale (and zero) per `block` neighbours in a row; `in` is a multiple of `block`. */
export interface Blocks {
  readonly format: 'int4' | 'int8';
  /** A power of two, at least 16. */
  readonly block: number;
  /** Row-major; of 4 bits two to a byte, the low nibble first. */
  readonly codes: Uint8Array;
  /** [out · in / block]. */
  readonly scales: Float32Array;
  /** As `scales`, in units of the code; null: 8 for int4, 128 for int8. */
  readonly zeros: Float32Array | null;
}

/**
 * 4-bit NormalFloat: value = table[code] · absmax, with one absmax per `block` values of the flat tensor.
 * Source: Dettmers et al. 2023, arXiv 2305.14314, §3; layout of bitsandbytes.
 */
export interface NormalFloat {
  readonly format: 'nf4';
  readonly block: number;
  /** Two to a byte, the high nibble first. */
  readonly codes: Uint8Array;
  readonly absmax: Float32Array;
  /** 16 values. */
  readonly table: Float32Array;
}

/** Which graph decodes a weight: equal text means equal inputs and equal nodes. */
export function formatOf(stored: Stored): string {
  if (stored instanceof Float32Array) return 'f32';
  if (stored.format === 'nf4') return `nf4/${stored.block}`;
  if (stored.format === 'int4' || stored.format === 'int8')
    return `${stored.format}/${stored.block}${stored.zeros ? '/zeros' : ''}`;
  return stored.format;
}

/** Bytes in memory. */
export function byteLengthOf(stored: Stored): number {
  if (stored instanceof Float32Array) return stored.byteLength;
  if ('data' in stored) return stored.data.byteLength;
  if (stored.format === 'nf4') return stored.codes.byteLength + stored.absmax.byteLength;
  return stored.codes.byteLength + stored.scales.byteLength + (stored.zeros?.byteLength ?? 0);
}

/** The values [from, to) of the flat tensor, in float32; for blocks, `from` and `to` are multiples of the block. */
export function decode(stored: Stored, from: number, to: number): Float32Array {
  if (stored instanceof Float32Array) return stored.subarray(from, to);
  if ('data' in stored) {
    const toFloat = stored.format === 'f16' ? halfToFloat : bfloat16ToFloat;
    return toFloat(stored.data.subarray(from, to));
  }
  const result = new Float32Array(to - from);
  if (stored.format === 'nf4') {
    const { block, codes, absmax, table } = stored;
    for (let at = from; at < to; at++) {
      const pair = codes[at >> 1]!;
      result[at - from] = table[at & 1 ? pair & 15 : pair >> 4]! * absmax[Math.floor(at / block)]!;
    }
    return result;
  }
  const { format, block, codes, scales, zeros } = stored;
  for (let at = from; at < to; at++) {
    const code = format === 'int8' ? codes[at]! : at & 1 ? codes[at >> 1]! >> 4 : codes[at >> 1]! & 15;
    const group = Math.floor(at / block);
    result[at - from] = (code - (zeros ? zeros[group]! : format === 'int8' ? 128 : 8)) * scales[group]!;
  }
  return result;
}
