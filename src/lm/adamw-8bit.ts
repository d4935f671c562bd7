import {
  type AdamWSettings,
  createAdamW,
  type Optimizer,
  type Parameter,
  plainState,
  type TensorState,
  updateInPlace,
} from './optimizer.ts';

/**
 * AdamW whose moments are kept in 8 bits: per block of 256 values the largest magnitude in float32, per value the place
 * of the nearest entry of a table. Source: Dettmers et al. 2022, arXiv 2110.02861; block, smallest size, tables and
 * rounding as bitsandbytes' AdamW8bit.
 */

const blockSize = 256;
/** Smaller tensors are kept in 32 bits. */
const smallestQuantised = 4096;

/**
 * The 256 values of the dynamic data type, ascending: per decade from 1e-6 to 1 the midpoints of 2ⁱ (signed) or 2ⁱ⁺¹
 * equal intervals between 0.1 and 1, and 0 and 1. Source: Dettmers 2016, arXiv 1511.04561; as bitsandbytes' create_dynamic_map.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const count = 2 ** (signed ? decade : decade + 1);
    for (let j = 0; j < count; j++) {
      const value = 10 ** (decade - 6) * (0.1 + (0.9 * (j + 0.5)) / count);
      values.push(value, ...(signed ? [-value] : []));
    }
  }
  return Float32Array.from(values).sort();
}

interface Table {
  readonly code: Float32Array;
  /** Between neighbours; a value on one belongs to the lower neighbour. */
  readonly midpoints: Float32Array;
  /** By a float's upper 16 bits, the place of the smallest value that begins with them. */
  readonly start: Uint8Array;
  /** Place of 0, which a negative mean must not be rounded to; null in the table of squares. */
  readonly zero: number | null;
}

function createTable(signed: boolean): Table {
  const code = dynamicMap(signed);
  const midpoints = Float32Array.from({ length: 255 }, (_, i) => (code[i]! + code[i + 1]!) / 2);
  const bits = new Uint32Array(2);
  const ends = new Float32Array(bits.buffer);
  const start = Uint8Array.from({ length: 1 << 16 }, (_, upper) => {
    bits.set([upper << 16, (upper << 16) | 0xffff]);
    const smallest = Math.min(ends[0]!, ends[1]!);
    let place = 0;
    for (let half = 128; half > 0; half >>= 1) if (smallest > midpoints[place + half - 1]!) place += half;
    return place;
  });
  return { code, midpoints, start, zero: signed ? code.indexOf(0) : null };
}

/** Fills `values` from a block's places and scale. */
function dequantise(places: Uint8Array, scale: number, { code }: Table, values: Float32Array): void {
  for (let i = 0; i < places.length; i++) values[i] = code[places[i]!]! * scale;
}

/** Writes each value's place; `values` are scaled in place. @returns the block's scale. */
function quantise(values: Float32Array, places: Uint8Array, { midpoints, start, zero }: Table): number {
  let scale = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > scale) scale = size;
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = (values[i] = scale === 0 ? 0 : values[i]! / scale);
    let place = start[bits[i]! >>> 16]!;
    while (value > midpoints[place]!) place++;
    places[i] = value < 0 && place === zero ? place - 1 : place;
  }
  return scale;
}

let tables: { readonly mean: Table; readonly square: Table } | undefined;

function quantisedState(length: number): TensorState {
  if (length < smallestQuantised) return plainState(length);
  tables ??= { mean: createTable(true), square: createTable(false) };
  const { mean: meanTable, square: squareTable } = tables;
  const blocks = Math.ceil(length / blockSize);
  const arrays = {
    mean: new Uint8Array(length),
    square: new Uint8Array(length),
    meanScale: new Float32Array(blocks),
    squareScale: new Float32Array(blocks),
  };
  const [means, squares] = [new Float32Array(blockSize), new Float32Array(blockSize)];
  return {
    arrays,
    update(data, gradient, update) {
      for (let block = 0; block < blocks; block++) {
        const [from, to] = [block * blockSize, Math.min(length, (block + 1) * blockSize)];
        const [meanPlaces, squarePlaces] = [arrays.mean.subarray(from, to), arrays.square.subarray(from, to)];
        const [mean, square] = [means.subarray(0, to - from), squares.subarray(0, to - from)];
        dequantise(meanPlaces, arrays.meanScale[block]!, meanTable, mean);
        dequantise(squarePlaces, arrays.squareScale[block]!, squareTable, square);
        updateInPlace(data.subarray(from, to), gradient.subarray(from, to), mean, square, update);
        arrays.meanScale[block] = quantise(mean, meanPlaces, meanTable);
        arrays.squareScale[block] = quantise(square, squarePlaces, squareTable);
      }
    },
  };
}

export function createAdamW8bit(parameters: readonly Parameter[], settings: AdamWSettings): Optimizer {
  return createAdamW(parameters, settings, quantisedState);
}
