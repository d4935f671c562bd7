import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBatch } from '../../src/lm/batch.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { loraInputs } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { openDecoder, parity } from './open-decoder.ts';

const config = readDecoderConfig(`${parity}tied`);
let decoder: Decoder;
beforeAll(async () => {
  decoder = await openDecoder(`${parity}tied`);
});
afterAll(() => decoder.close());

test('a gradient is the same to the bit whether the wide products were kept or are computed again', async () => {
  const adapter = readAdapter(`${parity}adapter`, config);
  const attached = await decoder.attach(adapter);
  const trained = loraInputs(adapter.targetModules);
  const batch = createBatch([
    [1, 70, 71, 72, 2],
    [1, 90, 91],
  ]);
  const x = decoder.embed(batch.ids);
  const { y } = await decoder.layer(0, x, batch, attached);
  const dy = y.map((value, i) => Math.sin(i) * value);
  const again = await decoder.layerGradient(0, x, dy, batch, attached, trained, 'nothing', {});
  expect(Object.keys(again)).toHaveLength(trained.length + 1);
  for (const keeping of ['wide', 'products'] as const) {
    const done = await decoder.layerForTraining(0, x, batch, attached, keeping);
    expect(done.y).toEqual(y);
    expect(Object.keys(done.kept)).toHaveLength(keeping === 'wide' ? 2 : 6 + 7 + 1);
    const slopes = await decoder.layerGradient(0, x, dy, batch, attached, trained, keeping, done.kept);
    expect(slopes).toEqual(again);
  }
});
