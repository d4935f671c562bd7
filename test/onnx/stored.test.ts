import { describe, expect, test } from 'vitest';
import { createGraph, input } from '../../src/onnx/graph.ts';
import { blockMatMul, gemm, storedInput } from '../../src/onnx/ops.ts';
import { createSession, feed, feedStored } from '../../src/onnx/session.ts';
import { byteLengthOf, decode, formatOf, type Stored } from '../../src/onnx/stored.ts';
import { floatToBfloat16, floatToHalf } from '../../src/onnx/tensor.ts';
import { createRandom } from '../../src/random.ts';
import { relativeError } from '../lm/reference.ts';

const [rows, columns] = [6, 64];
const size = rows * columns;
const random = createRandom('stored');
const floats = (length: number, scale: number, shift = 0) =>
  Float32Array.from({ length }, () => shift + scale * (2 * random.next() - 1));
const bytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(256 * random.next()));
const values = floats(size, 1);

const examples: Record<string, Stored> = {
  f32: values,
  f16: { format: 'f16', data: floatToHalf(values) },
  bf16: { format: 'bf16', data: floatToBfloat16(values) },
  'int4/32': {
    format: 'int4',
    block: 32,
    codes: bytes(size / 2),
    scales: floats(size / 32, 0.1),
    zeros: null,
  },
  'int4/32/zeros': {
    ...{ format: 'int4', block: 32, codes: bytes(size / 2) },
    ...{ scales: floats(size / 32, 0.1), zeros: floats(size / 32, 3, 7) },
  },
  'int8/16': { format: 'int8', block: 16, codes: bytes(size), scales: floats(size / 16, 0.01), zeros: null },
  'int8/32/zeros': {
    ...{ format: 'int8', block: 32, codes: bytes(size) },
    ...{ scales: floats(size / 32, 0.01), zeros: floats(size / 32, 20, 100) },
  },
  'nf4/64': {
    ...{ format: 'nf4', block: 64, codes: bytes(size / 2) },
    ...{ absmax: floats(size / 64, 0.5, 1), table: floats(16, 1) },
  },
};

/** x Wᵀ, the weight fed and decoded in the graph, or built into a session in blocks. */
async function productOf(stored: Stored, x: Float32Array, blocks: boolean): Promise<Float32Array> {
  const graph = createGraph();
  const left = input(graph, 'x', ['T', columns]);
  const format = formatOf(stored);
  const y = blocks
    ? blockMatMul(graph, left, 'w', [rows, columns], format)
    : gemm(graph, left, storedInput(graph, 'w', [rows, columns], format), null, { transposeB: true });
  const feeds = await feedStored('w', stored, [rows, columns]);
  const session = await createSession(graph, new Map([['y', y]]), {
    threads: 1,
    ...(blocks && { fixed: feeds }),
  });
  const given = {
    x: await feed({ data: x, shape: [x.length / columns, columns] }),
    ...(blocks ? {} : feeds),
  };
  const { y: result } = await session.run(given);
  await session.release();
  return result as Float32Array;
}

function exact(stored: Stored, x: Float32Array): number[] {
  const weight = decode(stored, 0, size);
  return Array.from({ length: (x.length / columns) * rows }, (_, at) => {
    const [token, row] = [Math.floor(at / rows), at % rows];
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += x[token * columns + k]! * weight[row * columns + k]!;
    return sum;
  });
}

describe.each(Object.entries(examples))('a weight stored as %s', (name, stored) => {
  const x = floats(5 * columns, 1);

  test('is decoded in a graph as in JavaScript', async () => {
    expect(formatOf(stored)).toBe(name);
    expect(relativeError(await productOf(stored, x, false), exact(stored, x))).toBeLessThan(1e-6);
  });

  test('is decoded in part', () => {
    const whole = decode(stored, 0, size);
    expect(decode(stored, 2 * columns, 3 * columns)).toEqual(whole.slice(2 * columns, 3 * columns));
  });

  test.runIf(name.startsWith('int'))('is multiplied in blocks, activations rounded to 8 bits', async () => {
    const error = relativeError(await productOf(stored, x, true), exact(stored, x));
    expect(error).toBeLessThan(0.01);
    expect(byteLengthOf(stored)).toBeLessThan(size * 1.8);
  });
});
