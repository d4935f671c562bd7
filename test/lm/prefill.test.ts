import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttachedAdapter, Decoder } from '../../src/lm/decoder.ts';
import { type GenerateSettings, generate, type SampledToken } from '../../src/lm/generate.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { prefill } from '../../src/lm/prefill.ts';
import { openDecoder, parity, watch } from './open-decoder.ts';

const greedy: GenerateSettings = { maxTokens: 8, temperature: 0, topP: 1, stopIds: new Set() };
const tokens = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => 3 + ((i * 53 + seed * 29) % 250));
const system = tokens(50, 1);
const prompts = [7, 12, 3, 20, 1].map((length, row) => [...system, ...tokens(length, row + 2)]);

let decoder: Decoder;
const adapters: Record<string, AttachedAdapter | null> = { 'no adapter': null };
beforeAll(async () => {
  decoder = await openDecoder(`${parity}tied`);
  adapters['an adapter'] = await decoder.attach(readAdapter(`${parity}adapter`, decoder.config));
});
afterAll(() => decoder.close());

/** The same tokens, and log-probabilities that differ by less than the tolerance. */
function expectAlike(found: SampledToken[][], expected: SampledToken[][], tolerance = 1e-5): void {
  const ids = (rows: SampledToken[][]) => rows.map((row) => row.map(({ id }) => id));
  expect(ids(found)).toEqual(ids(expected));
  for (const [row, answer] of found.entries())
    for (const [at, { topLogProbabilities }] of answer.entries())
      for (const [rank, value] of topLogProbabilities.entries())
        expect(Math.abs(value - expected[row]![at]!.topLogProbabilities[rank]!)).toBeLessThan(tolerance);
}

describe.each(['no adapter', 'an adapter'])('with %s', (name) => {
  const ask = (model: Decoder, asked: number[][], changes: Partial<GenerateSettings>) =>
    generate(
      model,
      adapters[name]!,
      asked,
      asked.map(() => 0),
      { ...greedy, ...changes },
    );

  test('what all prompts begin with is computed once and changes nothing', async () => {
    const whole = watch(decoder);
    const expected = await ask(whole.watched, prompts, { shortestShared: Infinity, maxTokens: 1 });
    const shared = watch(decoder);
    expectAlike(await ask(shared.watched, prompts, { maxTokens: 1 }), expected);
    expect(whole.seen.tokens).toBe(5 * 70);
    expect(shared.seen.tokens).toBe(50 + 5 * 20);
    expectAlike(await ask(decoder, prompts, {}), await ask(decoder, prompts, { shortestShared: Infinity }));
  });

  test('equal prompts are read once', async () => {
    const { watched, seen } = watch(decoder);
    const asked = [prompts[0]!, prompts[1]!, prompts[0]!, prompts[0]!];
    const answers = await ask(watched, asked, { maxTokens: 1 });
    expect(seen.tokens).toBe(50 + 2 * 12);
    expect(answers[2]).toEqual(answers[0]);
    const longer = await ask(decoder, asked, {});
    expect(longer[3]).toEqual(longer[0]);
    expectAlike(longer.slice(0, 2), await ask(decoder, prompts.slice(0, 2), {}));
  });

  test.each([2000, 700, 4 * 71])(
    'no pass has more than %i scores, however long a prompt is',
    async (limit) => {
      const { watched, seen } = watch(decoder);
      const bounded = await ask(watched, prompts, { largestScores: limit, maxTokens: 1 });
      expect(seen.largestScores).toBeLessThanOrEqual(limit);
      const whole = await ask(decoder, prompts, { shortestShared: Infinity, maxTokens: 1 });
      expectAlike(bounded, whole, 1e-4);
    },
  );
});

test('a short common beginning is not worth a pass', async () => {
  const { watched, seen } = watch(decoder);
  const short = prompts.map((ids) => ids.slice(30));
  await prefill({ decoder: watched, adapter: null }, short, {});
  expect(seen.calls).toBe(1);
});

test('states are those of the last tokens asked for', async () => {
  const runner = { decoder, adapter: null };
  const keep = [3, 1, 2, 20, 1];
  const { states, cache } = await prefill(runner, prompts, {}, { keep });
  expect(cache.lengths).toEqual(prompts.map((ids) => ids.length));
  const width = decoder.config.hiddenSize;
  for (const [row, ids] of prompts.entries()) {
    expect(states[row]!.length).toBe(keep[row]! * width);
    for (let back = 0; back < keep[row]!; back++) {
      const { states: alone } = await prefill(runner, [ids.slice(0, ids.length - back)], {});
      const at = (keep[row]! - 1 - back) * width;
      for (const [i, value] of alone[0]!.entries()) expect(states[row]![at + i]).toBeCloseTo(value, 4);
    }
  }
});

describe.each(['mistral', 'gemma2', 'gemma3', 'qwen2-sliding', 'phi3', 'smollm3'])('%s', (name) => {
  test('windows look past the border of a shared beginning and of a part', async () => {
    const model = await openDecoder(
      fileURLToPath(new URL(`../fixtures/architectures/${name}`, import.meta.url)),
    );
    const limit = model.config.vocabularySize - 4;
    // Their context holds 64 positions.
    const asked = prompts.map((ids) => ids.slice(14).map((id) => 3 + (id % limit)));
    const answer = (changes: Partial<GenerateSettings>) =>
      generate(
        model,
        null,
        asked,
        asked.map(() => 0),
        { ...greedy, maxTokens: 3, ...changes },
      );
    const whole = await answer({ shortestShared: Infinity });
    const first = (rows: SampledToken[][]) => rows.map((row) => row.slice(0, 1));
    for (const changes of [{}, { largestScores: 900 }])
      expectAlike(first(await answer(changes)), first(whole), 1e-4);
    await model.close();
  });
});
