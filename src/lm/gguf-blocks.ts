import type { Blocks, Halves, Stored } from '../onnx/stored.ts';
import { halfToFloat } from '../onnx/tensor.ts';

/** The number formats of GGUF tensors. Source: github.com/ggml-org/llama.cpp, `ggml-common.h` (layouts) and gguf-py's `quants.py`. */
export interface GgufType {
  /** Values per block of the file; a row is a whole number of blocks. */
  readonly values: number;
  /** Bytes per block of the file. */
  readonly bytes: number;
  /** Room for `count` values, to be filled by `decodeRow`. */
  allocate(count: number): Stored;
  /** Converts one row's bytes to the values from `at` on. */
  decodeRow(row: Uint8Array, target: Stored, at: number): void;
}

interface Quantised {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Float32Array | null;
}

const oneHalf = new Uint16Array(1);
const oneFloat = new Float32Array(1);

function half(bytes: Uint8Array, at: number): number {
  oneHalf[0] = bytes[at]! | (bytes[at + 1]! << 8);
  return halfToFloat(oneHalf, oneFloat)[0]!;
}

/** The bytes as they are: a row of plain numbers. */
function plain(bytes: 2 | 4, allocate: (count: number) => Float32Array | Halves): GgufType {
  return {
    values: 1,
    bytes,
    allocate,
    decodeRow: (row, target, at) => {
      const data = target instanceof Float32Array ? target : (target as Halves).data;
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(row, at * bytes);
    },
  };
}

/**
 * A quantised format. `decode` converts the block at byte `from` to the values from `at` on; it is called with the
 * arrays of a `Blocks` of this format, block and zeros.
 */
function quantised(
  [values, bytes]: readonly [number, number],
  [format, block, zeros]: readonly [Blocks['format'], number, boolean],
  decode: (from: Uint8Array, offset: number, to: Quantised, at: number) => void,
): GgufType {
  return {
    values,
    bytes,
    allocate: (count) => ({
      format,
      block,
      codes: new Uint8Array(format === 'int4' ? count / 2 : count),
      scales: new Float32Array(count / block),
      zeros: zeros ? new Float32Array(count / block) : null,
    }),
    decodeRow: (row, target, at) => {
      for (let from = 0; from < row.length; from += bytes, at += values)
        decode(row, from, target as Blocks, at);
    },
  };
}

/** The low nibbles of `count` bytes to the values from `at` on, the high ones to the values after them, two to a byte. */
function packNibbles(from: Uint8Array, offset: number, count: number, codes: Uint8Array, at: number): void {
  const low = at >> 1;
  const high = low + (count >> 1);
  for (let k = 0; k < count >> 1; k++) {
    const first = from[offset + 2 * k]!;
    const second = from[offset + 2 * k + 1]!;
    codes[low + k] = (first & 15) | ((second & 15) << 4);
    codes[high + k] = (first >> 4) | (second & 0xf0);
  }
}

/**
 * value = scale · code + minimum as (code − zero) · scale. Where the scale is 0 every value is the minimum:
 * (0 + 1) · minimum, with all codes 0.
 */
function setAffine(to: Quantised, group: number, scale: number, minimum: number, codes: Uint8Array): void {
  const flat = scale === 0;
  to.scales[group] = flat ? minimum : scale;
  to.zeros![group] = flat ? -1 : -minimum / scale;
  if (flat) codes.fill(0);
}

/** A 6-bit scale and minimum of the eight that a K block packs into 12 bytes. */
function scaleAndMinimum(from: Uint8Array, offset: number, j: number): [number, number] {
  const byte = (k: number) => from[offset + k]!;
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [
    (byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), //
    (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4),
  ];
}

/** The eight sub-blocks of 32 of a Q4_K or Q5_K block. */
function setSubBlocks(from: Uint8Array, offset: number, to: Quantised, at: number, perByte: 1 | 2): void {
  const scale = half(from, offset);
  const minimum = half(from, offset + 2);
  for (let j = 0; j < 8; j++) {
    const [multiple, less] = scaleAndMinimum(from, offset + 4, j);
    const start = (at + 32 * j) / perByte;
    const codes = to.codes.subarray(start, start + 32 / perByte);
    setAffine(to, at / 32 + j, scale * multiple, -minimum * less, codes);
  }
}

/** Bits 4 of 32 values lie in four bytes at `bits`, their nibbles in the 16 bytes after those. */
function unpackFiveBits(from: Uint8Array, bits: number, codes: Uint8Array, at: number, add: number): void {
  for (let j = 0; j < 32; j++) {
    const nibbles = from[bits + 4 + (j & 15)]!;
    const nibble = j < 16 ? nibbles & 15 : nibbles >> 4;
    codes[at + j] = (nibble | (((from[bits + (j >> 3)]! >> (j & 7)) & 1) << 4)) + add;
  }
}

/** The formats that are read, by their names. */
export const ggufTypes: Readonly<Record<string, GgufType>> = {
  F32: plain(4, (count) => new Float32Array(count)),
  F16: plain(2, (count) => ({ format: 'f16', data: new Uint16Array(count) })),
  BF16: plain(2, (count) => ({ format: 'bf16', data: new Uint16Array(count) })),
  Q8_0: quantised([32, 34], ['int8', 32, false], (from, offset, to, at) => {
    to.scales[at / 32] = half(from, offset);
    for (let j = 0; j < 32; j++) to.codes[at + j] = from[offset + 2 + j]! ^ 0x80; // signed byte + 128
  }),
  Q4_0: quantised([32, 18], ['int4', 32, false], (from, offset, to, at) => {
    to.scales[at / 32] = half(from, offset);
    packNibbles(from, offset + 2, 16, to.codes, at);
  }),
  Q4_1: quantised([32, 20], ['int4', 32, true], (from, offset, to, at) => {
    packNibbles(from, offset + 4, 16, to.codes, at);
    const codes = to.codes.subarray(at / 2, at / 2 + 16);
    setAffine(to, at / 32, half(from, offset), half(from, offset + 2), codes);
  }),
  Q5_0: quantised([32, 22], ['int8', 32, false], (from, offset, to, at) => {
    to.scales[at / 32] = half(from, offset);
    unpackFiveBits(from, offset + 2, to.codes, at, 112); // 16 is 0: 128 of ours
  }),
  Q5_1: quantised([32, 24], ['int8', 32, true], (from, offset, to, at) => {
    unpackFiveBits(from, offset + 4, to.codes, at, 0);
    const codes = to.codes.subarray(at, at + 32);
    setAffine(to, at / 32, half(from, offset), half(from, offset + 2), codes);
  }),
  Q4_K: quantised([256, 144], ['int4', 32, true], (from, offset, to, at) => {
    for (let j = 0; j < 4; j++) packNibbles(from, offset + 16 + 32 * j, 32, to.codes, at + 64 * j);
    setSubBlocks(from, offset, to, at, 2);
  }),
  Q5_K: quantised([256, 176], ['int8', 32, true], (from, offset, to, at) => {
    for (let j = 0; j < 256; j++) {
      const nibbles = from[offset + 48 + 32 * (j >> 6) + (j & 31)]!;
      const nibble = j & 32 ? nibbles >> 4 : nibbles & 15;
      to.codes[at + j] = nibble | (((from[offset + 16 + (j & 31)]! >> (j >> 5)) & 1) << 4);
    }
    setSubBlocks(from, offset, to, at, 1);
  }),
  Q6_K: quantised([256, 210], ['int8', 16, false], (from, offset, to, at) => {
    for (let j = 0; j < 256; j++) {
      const quarter = (j >> 5) & 3; // of 128 values
      const nibbles = from[offset + 64 * (j >> 7) + (j & 31) + 32 * (quarter & 1)]!;
      const nibble = quarter & 2 ? nibbles >> 4 : nibbles & 15;
      const bits = (from[offset + 128 + 32 * (j >> 7) + (j & 31)]! >> (2 * quarter)) & 3;
      to.codes[at + j] = (nibble | (bits << 4)) + 96; // 32 is 0: 128 of ours
    }
    const scale = half(from, offset + 208);
    for (let j = 0; j < 16; j++) to.scales[at / 16 + j] = scale * ((from[offset + 192 + j]! << 24) >> 24);
  }),
};
