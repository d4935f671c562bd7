import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '../../src/lm/decoder.ts';
import { firstTokenMasses, hiddenStatesAt, tokenLikelihoods } from '../../src/lm/likelihood.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import type { Runner } from '../../src/lm/prefill.ts';
import { openDecoder, parity, watch } from './open-decoder.ts';

/** What transformers and PEFT computed: scripts/parity/scoring.py. */
interface Numbers {
  asked: {
    prompt: number[];
    continuations: { tokens: number[]; logProbabilities: number[]; total: number; greedy: boolean }[];
  }[];
  tokenSet: number[];
  masses: { probability: number; logOdds: number }[];
  /** Per prompt and layer, of the last position. */
  lastStates: number[][][];
}
const models: Record<string, Numbers> = JSON.parse(
  readFileSync(new URL('../fixtures/scoring.json', import.meta.url), 'utf8'),
).models;

const opened = new Map<string, Promise<Decoder>>();
async function runnerOf(name: string): Promise<Runner> {
  const folder = name === 'adapter' ? 'tied' : name;
  const decoder = opened.get(folder) ?? openDecoder(parity + folder);
  opened.set(folder, decoder);
  const config = (await decoder).config;
  const lora = name === 'adapter' ? readAdapter(`${parity}adapter`, config) : null;
  return { decoder: await decoder, adapter: lora && (await (await decoder).attach(lora)) };
}
afterAll(async () => {
  for (const decoder of opened.values()) await (await decoder).close();
});

describe.each(Object.keys(models))('%s', (name) => {
  const { asked, tokenSet, masses, lastStates } = models[name]!;

  test('likelihoods of given continuations', async () => {
    const runner = await runnerOf(name);
    for (const { prompt, continuations } of asked) {
      const sequences = continuations.map(({ tokens }) => ({
        ids: [...prompt, ...tokens],
        start: prompt.length,
      }));
      const found = await tokenLikelihoods(runner, sequences);
      expect(found.map(({ greedy }) => greedy)).toEqual(continuations.map(({ greedy }) => greedy));
      for (const [index, { logProbabilities, total }] of continuations.entries()) {
        const own = found[index]!.logProbabilities;
        expect(own.length).toBe(logProbabilities.length);
        for (const [at, value] of logProbabilities.entries()) expect(own[at]).toBeCloseTo(value, 4);
        expect(Math.abs(own.reduce((a, b) => a + b) / total - 1)).toBeLessThan(1e-5);
      }
    }
    expect(asked.flatMap(({ continuations }) => continuations).some(({ greedy }) => greedy)).toBe(true);
  });

  test('the mass of a set of first tokens', async () => {
    const prompts = asked.map(({ prompt }) => prompt);
    const found = await firstTokenMasses(await runnerOf(name), prompts, [...tokenSet, tokenSet[0]!]);
    for (const [row, { probability, logOdds }] of found.entries()) {
      expect(Math.abs(probability - masses[row]!.probability)).toBeLessThan(1e-6);
      expect(logOdds).toBeCloseTo(masses[row]!.logOdds, 4);
    }
  });

  test('hidden states at every layer, as transformers numbers them', async () => {
    const runner = await runnerOf(name);
    const prompts = asked.map(({ prompt }) => prompt);
    const width = runner.decoder.config.hiddenSize;
    for (let layer = 0; layer <= runner.decoder.config.layers; layer++) {
      const last = await hiddenStatesAt(runner, prompts, layer, 'last');
      const all = await hiddenStatesAt(runner, prompts, layer, 'all');
      for (const [row, ids] of prompts.entries()) {
        const expected = lastStates[row]![layer]!;
        expect(last[row]!.length).toBe(width);
        expect(all[row]!.length).toBe(ids.length * width);
        for (const [i, value] of expected.entries()) {
          expect(last[row]![i]).toBeCloseTo(value, 4);
          expect(all[row]![(ids.length - 1) * width + i]).toBeCloseTo(value, 4);
        }
        const [first] = await hiddenStatesAt(runner, [ids.slice(0, 1)], layer, 'last');
        for (const [i, value] of first!.entries()) expect(all[row]![i]).toBeCloseTo(value, 4);
      }
    }
  });
});

test('a prompt is computed once for all its continuations', async () => {
  const { decoder, adapter } = await runnerOf('tied');
  const { watched, seen } = watch(decoder);
  const { prompt, continuations } = models.tied!.asked[2]!;
  const sequences = continuations.map(({ tokens }) => ({
    ids: [...prompt, ...tokens],
    start: prompt.length,
  }));
  await tokenLikelihoods({ decoder: watched, adapter }, sequences);
  // All but the prompt's last token, whose state is the first that counts, then at most 6 tokens of each.
  expect(seen.tokens).toBe(prompt.length - 1 + continuations.length * 6);
});

test('odds stay exact where the mass is all or nothing', async () => {
  const runner = await runnerOf('tied');
  const everything = Array.from({ length: runner.decoder.config.vocabularySize }, (_, id) => id);
  const [all] = await firstTokenMasses(runner, [[5, 6]], everything);
  expect(all).toEqual({ probability: 1, logOdds: Infinity });
  const [none] = await firstTokenMasses(runner, [[5, 6]], []);
  expect(none).toEqual({ probability: 0, logOdds: -Infinity });
  const [most] = await firstTokenMasses(runner, [[5, 6]], everything.slice(1));
  const [least] = await firstTokenMasses(runner, [[5, 6]], [0]);
  expect(most!.logOdds).toBeCloseTo(-least!.logOdds, 9);
});
