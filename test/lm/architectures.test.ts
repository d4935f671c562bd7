import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import { openSafetensors } from '../../src/lm/checkpoint.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { generate } from '../../src/lm/generate.ts';
import { loraInputs } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { openDecoder } from './open-decoder.ts';
import { expectPeftGradients, logitsOf, relativeError } from './reference.ts';

/** Every family against transformers and PEFT, weights as they are stored (bfloat16): see scripts/parity/architectures.py. */
const folder = fileURLToPath(new URL('../fixtures/architectures/', import.meta.url));
const numbers = JSON.parse(readFileSync(`${folder}numbers.json`, 'utf8'));
const names = Object.keys(numbers.models);

const decoders = new Map<string, Promise<Decoder>>();
function decoderOf(name: string): Promise<Decoder> {
  const known = decoders.get(name);
  if (known) return known;
  const made = openDecoder(folder + name, { stored: true });
  decoders.set(name, made);
  return made;
}
afterAll(async () => {
  for (const decoder of decoders.values()) await (await decoder).close();
});

test('every family has a fixture whose choices are no near ties', () => {
  expect(names.length).toBeGreaterThan(11);
  for (const name of names) expect(numbers.models[name].medianGap, name).toBeGreaterThan(0.1);
});

describe.each(names)('%s agrees with transformers and PEFT', (name) => {
  const { rows, labelled, loss, adaptedLoss, greedy } = numbers.models[name];
  const expected = openSafetensors(`${folder}${name}.safetensors`);
  const attach = async (decoder: Decoder) =>
    decoder.attach(readAdapter(`${folder}${name}/adapter`, decoder.config));

  test('logits, with and without adapter', async () => {
    const decoder = await decoderOf(name);
    expect(relativeError(await logitsOf(decoder, rows, null), expected.read('logits'))).toBeLessThan(1e-5);
    const adapted = await logitsOf(decoder, rows, await attach(decoder));
    expect(relativeError(adapted, expected.read('adapted.logits'))).toBeLessThan(1e-5);
  });

  test('loss and every LoRA gradient', async () => {
    const decoder = await decoderOf(name);
    const adapter = await attach(decoder);
    const sequences = (rows as number[][]).map((ids, row) => ({
      ids,
      weights: ids.map((_, at) => Number(at >= ids.length - labelled[row])),
    }));
    const scale = 1 / (labelled as number[]).reduce((a, b) => a + b, 0);
    const nothing = { layer: [], head: [], embedding: false };
    expect(await backpropagate(decoder, sequences, null, scale, nothing, new Map())).toBeCloseTo(loss, 5);
    const layer = loraInputs(adapter.layers[0]!.shape.keys());
    const found: Gradients = new Map();
    const trained = { layer, head: [], embedding: false };
    expect(await backpropagate(decoder, sequences, adapter, scale, trained, found)).toBeCloseTo(
      adaptedLoss,
      5,
    );
    expectPeftGradients(found, expected);
  });

  test('greedy tokens and their log-probabilities, in one batch with a cache', async () => {
    const decoder = await decoderOf(name);
    const prompts = (greedy as { prompt: number[] }[]).map(({ prompt }) => prompt);
    const settings = { maxTokens: 16, temperature: 0, topP: 1, stopIds: new Set<number>() };
    const answers = await generate(decoder, null, prompts, [0, 0, 0], settings);
    for (const [at, { tokens, logProbabilities }] of greedy.entries()) {
      const own = answers[at]!.slice(0, tokens.length);
      expect(own.map(({ id }) => id)).toEqual(tokens);
      expect(
        relativeError(
          own.map((token) => token.logProbability),
          logProbabilities,
        ),
      ).toBeLessThan(1e-4);
    }
  });
});
