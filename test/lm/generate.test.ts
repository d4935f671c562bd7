import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Decoder } from '../../src/lm/decoder.ts';
import { type GenerateSettings, generate } from '../../src/lm/generate.ts';
import { openDecoder } from './open-decoder.ts';

const folder = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));
const greedy: { prompt: number[]; tokens: number[] }[] = JSON.parse(
  readFileSync(`${folder}numbers.json`, 'utf8'),
).models.tied.greedy;
const settings: GenerateSettings = { maxTokens: 12, temperature: 0, topP: 1, stopIds: new Set() };
let decoder: Decoder;

beforeAll(async () => {
  decoder = await openDecoder(`${folder}tied`);
});
afterAll(() => decoder.close());

const ids = (answers: { id: number }[][]) => answers.map((answer) => answer.map(({ id }) => id));

test('a prompt is answered alike alone and in any company', async () => {
  const many = Array.from({ length: 9 }, (_, i) => greedy[i % greedy.length]!);
  const answers = ids(
    await generate(
      decoder,
      null,
      many.map(({ prompt }) => prompt),
      many.map(() => 0),
      settings,
    ),
  );
  expect(answers).toEqual(many.map(({ tokens }) => tokens));
});

test('prompts are read a few rows at a time where attention would take too much memory', async () => {
  const answer = (largestScores: number) =>
    generate(
      decoder,
      null,
      greedy.map(({ prompt }) => prompt),
      greedy.map(() => 0),
      { ...settings, largestScores },
    );
  const longest = Math.max(...greedy.map(({ prompt }) => prompt.length));
  for (const limit of [1, 2 * decoder.config.heads * longest ** 2])
    expect(ids(await answer(limit))).toEqual(greedy.map(({ tokens }) => tokens));
});

test('a row ends at its stop token, which it keeps, and leaves the others alone', async () => {
  const [first] = greedy;
  const stop = first!.tokens[4]!;
  const answers = ids(
    await generate(
      decoder,
      null,
      greedy.map(({ prompt }) => prompt),
      greedy.map(() => 0),
      { ...settings, stopIds: new Set([stop]) },
    ),
  );
  const cut = (tokens: number[]) =>
    tokens.includes(stop) ? tokens.slice(0, tokens.indexOf(stop) + 1) : tokens;
  expect(answers).toEqual(greedy.map(({ tokens }) => cut(tokens)));
});

test('a row ends where the context does', async () => {
  const room = 5;
  const prompt = Array.from({ length: decoder.config.contextLength - room }, (_, i) => 3 + (i % 90));
  const [answer] = await generate(decoder, null, [prompt], [0], { ...settings, maxTokens: 50 });
  expect(answer!.length).toBe(room + 1);
});

test('a row at the end of the context does not disturb the others', async () => {
  const long = Array.from({ length: decoder.config.contextLength - 1 }, (_, i) => 3 + (i % 90));
  const others = Array.from({ length: 6 }, () => greedy[0]!);
  const prompts = [long, ...others.map(({ prompt }) => prompt)];
  const answers = ids(
    await generate(
      decoder,
      null,
      prompts,
      prompts.map(() => 0),
      settings,
    ),
  );
  expect(answers[0]!.length).toBe(2);
  expect(answers.slice(1)).toEqual(others.map(({ tokens }) => tokens));
});

test('the log-probabilities of a greedy token are its own and the ten largest, descending', async () => {
  const [answer] = await generate(decoder, null, [greedy[0]!.prompt], [0], settings);
  for (const { logProbability, topLogProbabilities } of answer!) {
    expect(topLogProbabilities.length).toBe(10);
    expect(logProbability).toBe(topLogProbabilities[0]);
    expect([...topLogProbabilities].sort((a, b) => b - a)).toEqual(topLogProbabilities);
    expect(Math.exp(logProbability)).toBeLessThanOrEqual(1);
  }
});

test('sampling follows the distribution, repeats with its seed, and stays in the nucleus', async () => {
  const prompt = greedy[0]!.prompt;
  const draw = (count: number, changes: Partial<GenerateSettings>) =>
    generate(
      decoder,
      null,
      Array.from({ length: count }, () => prompt),
      Array.from({ length: count }, (_, i) => i),
      { ...settings, temperature: 1, maxTokens: 1, ...changes },
    );
  const first = await draw(600, {});
  expect(ids(await draw(600, {}))).toEqual(ids(first));
  const top = first[0]![0]!.topLogProbabilities.map(Math.exp);
  const best = ids(await generate(decoder, null, [prompt], [0], { ...settings, maxTokens: 1 }))[0]![0]!;
  const share = first.filter((answer) => answer[0]!.id === best).length / 600;
  // Four standard errors of a binomial share.
  expect(Math.abs(share - top[0]!)).toBeLessThan(4 * Math.sqrt((top[0]! * (1 - top[0]!)) / 600));
  for (const answer of first) expect(Math.exp(answer[0]!.logProbability)).toBeLessThanOrEqual(top[0]! + 1e-6);
  const narrow = await draw(50, { topP: top[0]! * 0.9 });
  expect(new Set(ids(narrow).flat())).toEqual(new Set([best]));
  const cold = await draw(50, { temperature: 0.01 });
  expect(new Set(ids(cold).flat())).toEqual(new Set([best]));
});
