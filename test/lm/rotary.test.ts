import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder } from '../../src/lm/decoder.ts';
import { generate } from '../../src/lm/generate.ts';
import { rotaryFrequencies } from '../../src/lm/rotary.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** Numbers of transformers, made by scripts/parity/rope.py. */
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const { published, tiny } = JSON.parse(readFileSync(join(fixtures, 'rope-llama3.json'), 'utf8')) as {
  published: Record<string, { head: number; theta: number; factor: number; frequencies: number[] }>;
  tiny: { scaling: Record<string, unknown>; ids: number[]; logits: number[] };
};

test.each(Object.entries(published))('%s: frequencies are those of transformers', (_, settings) => {
  const { head, theta, factor, frequencies } = settings;
  const own = rotaryFrequencies({
    headSize: head,
    ropeTheta: theta,
    ropeScaling: {
      type: 'llama3',
      factor,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContextLength: 8192,
    },
  });
  expect(own).toHaveLength(head / 2);
  own.forEach((frequency, i) => {
    expect(Math.abs(frequency / frequencies[i]! - 1)).toBeLessThan(1e-6);
  });
  expect(own).not.toEqual(rotaryFrequencies({ headSize: head, ropeTheta: theta }));
});

test('a checkpoint with stretched positions gives the log-probabilities of transformers', async () => {
  const directory = join(temporaryFolder(), 'stretched');
  cpSync(join(fixtures, 'parity/tied'), directory, { recursive: true });
  const path = join(directory, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  config.rope_parameters = { ...config.rope_parameters, ...tiny.scaling };
  writeFileSync(path, JSON.stringify(config));
  const answer = async (folder: string) => {
    const shape = readDecoderConfig(folder);
    const checkpoint = openCheckpoint(folder, shape);
    const weights = new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)]));
    checkpoint.close();
    const decoder = await createDecoder(shape, weights, 1);
    const settings = { maxTokens: 1, temperature: 0, topP: 1, stopIds: new Set<number>() };
    const [tokens] = await generate(decoder, null, [tiny.ids], [0], settings);
    await decoder.close();
    return tokens![0]!.topLogProbabilities;
  };
  const peak = Math.max(...tiny.logits);
  const normalizer = peak + Math.log(tiny.logits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0));
  const expected = tiny.logits
    .map((logit) => logit - normalizer)
    .sort((a, b) => b - a)
    .slice(0, 10);
  const own = await answer(directory);
  own.forEach((logP, i) => {
    expect(logP).toBeCloseTo(expected[i]!, 4);
  });
  const plain = await answer(join(fixtures, 'parity/tied'));
  expect(Math.max(...plain.map((logP, i) => Math.abs(logP - expected[i]!)))).toBeGreaterThan(1e-3);
});
