import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { withDropout } from '../../src/lm/dropout.ts';
import { loraInputs } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { wholeGraphBytes } from '../../src/lm/whole-graph.ts';
import { openDecoder } from './open-decoder.ts';
import { relativeError } from './reference.ts';

const fixtures = fileURLToPath(new URL('../fixtures/architectures/', import.meta.url));
const rows = [
  [5, 17, 33, 8, 60, 71, 12, 44, 90, 21, 3],
  [9, 50, 7, 61, 30, 11],
];
const sequences = rows.map((ids) => ({ ids, weights: ids.map((_, i) => Number(i > 3)) }));

// One with everything per layer alike, one with fused matrices, one with windows and two rotary tables.
describe.each(['llama3', 'phi3', 'gemma3'])('all layers of %s in one graph', (name) => {
  test('have the loss and gradients that they have one by one, dropped-out inputs included', async () => {
    const config = readDecoderConfig(fixtures + name);
    const results = [];
    for (const fast of [false, true]) {
      const decoder = await openDecoder(fixtures + name, { fast });
      const attached = await decoder.attach(readAdapter(`${fixtures}${name}/adapter`, config));
      const adapter = withDropout(attached, config, 0.1, 'whole');
      const layer = loraInputs(attached.layers[0]!.shape.keys());
      const gradients: Gradients = new Map();
      const trained = { layer, head: [], embedding: false };
      let calls = 0;
      const whole = (...request: Parameters<typeof decoder.whole>) => {
        calls++;
        return decoder.whole(...request);
      };
      const loss = await backpropagate({ ...decoder, whole }, sequences, adapter, 0.1, trained, gradients);
      expect(calls).toBe(Number(fast));
      results.push({ loss, gradients });
      await decoder.close();
    }
    const [layered, whole] = results as [(typeof results)[0], (typeof results)[0]];
    expect(whole.loss).toBeCloseTo(layered.loss, 5);
    expect([...whole.gradients.keys()].sort()).toEqual([...layered.gradients.keys()].sort());
    for (const [key, gradient] of whole.gradients)
      expect(relativeError(gradient, layered.gradients.get(key)!), key).toBeLessThan(1e-5);
  });
});

test('the memory of a whole graph grows with tokens, and faster than that with their length', () => {
  const config = readDecoderConfig(`${fixtures}llama3`);
  const bytes = (rows: number, length: number, masks = false) =>
    wholeGraphBytes(config, { rows, length, labelled: 0, masks });
  expect(bytes(4, 16)).toBe(2 * bytes(2, 16));
  expect(bytes(2, 32)).toBeGreaterThan(2 * bytes(2, 16));
  expect(bytes(2, 16, true)).toBeGreaterThan(bytes(2, 16));
});
