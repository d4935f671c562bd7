import { expect } from 'vitest';
import type { Gradients } from '../../src/lm/backpropagation.ts';
import { createBatch } from '../../src/lm/batch.ts';
import type { AttachedAdapter, Decoder } from '../../src/lm/decoder.ts';
import { weightName } from '../../src/lm/layer-tensors.ts';
import type { SafetensorsFile } from '../../src/lm/safetensors.ts';

/** What tests that hold the engine against PyTorch, transformers and PEFT have in common. */

/** ‖a − b‖ / ‖b‖ of arrays of equal length. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let [error, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(error / size);
}

/** Logits at every row's own positions, row after row. */
export async function logitsOf(
  decoder: Decoder,
  rows: readonly (readonly number[])[],
  adapter: AttachedAdapter | null,
): Promise<Float32Array> {
  const batch = createBatch(rows);
  let x = decoder.embed(batch.ids);
  for (let layer = 0; layer < decoder.config.layers; layer++)
    x = (await decoder.layer(layer, x, batch, adapter)).y;
  const width = decoder.config.hiddenSize;
  const own = rows.flatMap((ids, b) => ids.map((_, s) => b * batch.length + s));
  const hidden = new Float32Array(own.flatMap((row) => [...x.subarray(row * width, (row + 1) * width)]));
  return (await decoder.distribution(hidden, 10, true)).logits!;
}

/** Every gradient of an adapter against a file that has them under PEFT's names. */
export function expectPeftGradients(found: Gradients, expected: SafetensorsFile): void {
  const names = [...expected.tensors.keys()].filter((name) => name.includes('lora_'));
  expect(found.size).toBe(names.length);
  for (const [key, gradient] of found) {
    const [index, input] = key.split('/') as [string, string];
    const [matrix, factor] = input.split('.') as [string, string];
    const module = weightName(Number(index), `${matrix}.lora_${factor.toUpperCase()}.weight`);
    expect(relativeError(gradient, expected.read(`base_model.model.${module}`)), key).toBeLessThan(1e-4);
  }
}
