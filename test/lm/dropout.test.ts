import { afterAll, beforeAll, expect, test } from 'vitest';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { dropoutMask, withDropout } from '../../src/lm/dropout.ts';
import { loraInputs } from '../../src/lm/layer-tensors.ts';
import { type LoraAdapter, readAdapter } from '../../src/lm/lora.ts';
import { openDecoder, parity } from './open-decoder.ts';

let decoder: Decoder;
let adapter: LoraAdapter;
beforeAll(async () => {
  decoder = await openDecoder(`${parity}tied`);
  adapter = readAdapter(`${parity}adapter`, decoder.config);
});
afterAll(() => decoder.close());

const sequences = [
  { ids: [1, 70, 71, 72, 73, 2], weights: [0, 0, 1, 1, 1, 1] },
  { ids: [1, 90, 91, 2], weights: [0, 0, 1, 1] },
];

async function lossOf(of: LoraAdapter, rate: number, seed: number, gradients: Gradients = new Map()) {
  const attached = withDropout(await decoder.attach(of), decoder.config, rate, seed);
  const layer = loraInputs(of.targetModules);
  return backpropagate(decoder, sequences, attached, 1 / 6, { layer, head: [], embedding: false }, gradients);
}

test('a mask drops the asked share and scales what is left so that the mean stays', () => {
  const mask = dropoutMask(100_000, 0.2, 'a');
  const dropped = mask.reduce((sum, value) => sum + Number(value === 0), 0) / mask.length;
  expect(Math.abs(dropped - 0.2)).toBeLessThan(4 * Math.sqrt((0.2 * 0.8) / mask.length));
  expect([...new Set(mask)].sort()).toEqual([0, 1.25]);
  expect(dropoutMask(100, 0.5, 'a', 1)).toEqual(dropoutMask(100, 0.5, 'a', 1));
  expect(dropoutMask(100, 0.5, 'a', 1)).not.toEqual(dropoutMask(100, 0.5, 'a', 2));
});

test('only what A sees is dropped out: with B at zero nothing changes', async () => {
  const zero = adapter.layers.map(
    (pairs) =>
      new Map([...pairs].map(([name, pair]) => [name, { ...pair, b: new Float32Array(pair.b.length) }])),
  );
  expect(await lossOf({ ...adapter, layers: zero }, 0.5, 1)).toBe(
    await lossOf({ ...adapter, layers: zero }, 0, 1),
  );
  expect(await lossOf(adapter, 0.5, 1)).not.toBe(await lossOf(adapter, 0, 1));
});

test('the backward pass sees the masks of the forward pass', async () => {
  const gradients: Gradients = new Map();
  const loss = await lossOf(adapter, 0.4, 7, gradients);
  expect(await lossOf(adapter, 0.4, 7)).toBe(loss);
  expect(await lossOf(adapter, 0.4, 8)).not.toBe(loss);
  for (const [key, place] of [
    ['0/q_proj.a', 3],
    ['0/down_proj.a', 10],
    ['1/v_proj.b', 5],
  ] as const) {
    const [layer, projection, matrix] = key.split(/[/.]/) as [string, 'q_proj', 'a' | 'b'];
    const data = adapter.layers[Number(layer)]!.get(projection)![matrix];
    const [kept, step] = [data[place]!, 1e-2];
    data[place] = kept + step;
    const above = await lossOf(adapter, 0.4, 7);
    data[place] = kept - step;
    const below = await lossOf(adapter, 0.4, 7);
    data[place] = kept;
    const slope = (above - below) / (2 * step);
    expect(Math.abs(gradients.get(key)![place]! - slope), key).toBeLessThan(1e-3 * Math.abs(slope) + 2e-4);
  }
});
