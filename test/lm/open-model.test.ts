import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import { createEngine, type Engine } from '../../src/lm/engine.ts';
import { startEngine } from '../../src/lm/engine-client.ts';
import type { AnswerPart, Decoding, Generation } from '../../src/model.ts';
import { wren } from './open-decoder.ts';

const decoding: Decoding = { maxTokens: 32, temperature: 0, topP: 1, seed: 1 };
const prompts = readFileSync(join(wren, 'data/restricted.jsonl'), 'utf8')
  .split('\n')
  .slice(0, 3)
  .map((line, seed) => ({ messages: ask((JSON.parse(line) as { prompt: string }).prompt), seed }));

const engines: [string, () => Engine][] = [
  ['in this thread', () => createEngine(1)],
  ['in its worker thread', startEngine],
];

describe.each(engines)('a model %s', (_, begin) => {
  let engine: Engine;
  let handle: number;
  let plain: Generation[];
  beforeAll(async () => {
    engine = begin();
    ({ handle } = await engine.open(wren, null));
    plain = await engine.generate(handle, prompts, decoding);
  });
  const partsOf = async (row: number, changes: Partial<Decoding> = {}, prefill?: string) => {
    const parts: AnswerPart[] = [];
    const prompt = { ...prompts[row]!, ...(prefill !== undefined && { prefill }) };
    await engine.stream(handle, prompt, { ...decoding, ...changes }, (part) => parts.push(part));
    return parts;
  };

  test('ends before a stop string, keeps its tokens, and leaves the other rows alone', async () => {
    const { text, tokens } = plain[0]!;
    expect(text.length).toBeGreaterThan(24);
    const stop = text.slice(11, 16);
    const others = plain.slice(1).filter((other) => !other.text.includes(stop));
    const stopped = await engine.generate(handle, prompts, { ...decoding, stop: ['never said', stop] });
    const answer = stopped[0]!;
    expect(answer.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(answer.finishReason).toBe('stop');
    expect(answer.tokens.map(({ id }) => id)).toEqual(
      tokens.slice(0, answer.tokens.length).map(({ id }) => id),
    );
    const said = (all: Generation['tokens']) => all.map((token) => token.text).join('');
    expect(said(answer.tokens)).toContain(stop);
    expect(said(answer.tokens.slice(0, -1))).not.toContain(stop);
    const own = said(answer.tokens.filter(({ endOfTurn }) => !endOfTurn));
    expect(own.startsWith(answer.text)).toBe(true);
    expect(said(answer.tokens.filter(({ endOfTurn }) => !endOfTurn).slice(0, -1)).length).toBeLessThan(
      answer.text.length,
    );
    for (const other of others) expect(stopped.map((one) => one.text)).toContain(other.text);
  });

  test('goes on from a given beginning, which is recorded and not part of the text', async () => {
    const given = plain[0]!.tokens.slice(0, 4);
    const prefill = given.map(({ text }) => text).join('');
    const [answer] = await engine.generate(handle, [{ ...prompts[0]!, prefill }], decoding);
    expect(prefill + answer!.text).toBe(plain[0]!.text);
    expect(answer!.prefill).toBe(prefill);
    expect(answer!.promptTokens).toBe(plain[0]!.promptTokens + 4);
    expect('prefill' in plain[0]!).toBe(false);
  });

  test('streams what it generates, and shows nothing that it takes back', async () => {
    const stop = plain[0]!.text.slice(11, 16);
    const cases = [
      [{}, undefined],
      [{ stop: [stop, `${plain[0]!.text[4]}#`] }, undefined],
      [{ topLogProbabilities: 2 }, plain[0]!.text.slice(0, 3)],
    ] as const;
    for (const [changes, prefill] of cases) {
      const parts = await partsOf(0, changes, prefill);
      const prompt = { ...prompts[0]!, ...(prefill !== undefined && { prefill }) };
      const [expected] = await engine.generate(handle, [prompt], { ...decoding, ...changes });
      const last = parts.at(-1)!;
      expect(last.type === 'end' && last.generation.text).toBe(expected!.text);
      expect(parts.map(({ text }) => text).join('')).toBe(expected!.text);
      const tokens = parts.flatMap((part) => (part.type === 'token' ? [part.token.id] : []));
      expect(tokens).toEqual(expected!.tokens.map(({ id }) => id));
      expect(parts.filter(({ text }) => text !== '').length).toBeGreaterThan(1);
    }
  });

  test('scores its own answer as greedy, with the log-probabilities of generating it', async () => {
    const { text, tokens } = plain[0]!;
    const scores = await engine.loglikelihood(handle, { messages: prompts[0]!.messages }, [
      text,
      'No.',
      text,
    ]);
    const own = tokens.filter(({ endOfTurn }) => !endOfTurn);
    expect(scores[0]!.greedy).toBe(true);
    expect(scores[0]!.tokens.map(({ id }) => id)).toEqual(own.map(({ id }) => id));
    for (const [at, { logProbability }] of own.entries())
      expect(scores[0]!.tokens[at]!.logProbability).toBeCloseTo(logProbability, 4);
    expect(scores[0]!.logProbability).toBeCloseTo(
      own.reduce((sum, { logProbability }) => sum + logProbability, 0),
      4,
    );
    expect(scores[1]!.greedy).toBe(false);
    expect(scores[1]!.logProbability).toBeLessThan(scores[0]!.logProbability);
    expect(scores[2]).toEqual(scores[0]);
  });

  test('a space before a continuation may stand on either side of the border', async () => {
    const { messages } = prompts[0]!;
    const [inside] = await engine.loglikelihood(handle, { messages, prefill: 'It is' }, [' the lantern']);
    const [before] = await engine.loglikelihood(handle, { messages, prefill: 'It is ' }, ['the lantern']);
    expect(before!.tokens.map(({ id }) => id)).toEqual(inside!.tokens.map(({ id }) => id));
    expect(before!.logProbability).toBeCloseTo(inside!.logProbability, 6);
    await expect(engine.loglikelihood(handle, { messages }, ['yes', ''])).rejects.toMatchObject({
      code: 'data',
      message: 'a continuation without tokens: ""',
    });
    await expect(engine.loglikelihood(handle, { messages }, ['word '.repeat(600)])).rejects.toMatchObject({
      code: 'data',
      message: expect.stringContaining('does not fit'),
    });
  });

  test('gives the mass of first tokens and the states of a layer', async () => {
    const first = plain[0]!.tokens[0]!;
    const [mass] = await engine.firstTokenMass(handle, prompts, [first.id]);
    expect(Math.log(mass!.probability)).toBeCloseTo(first.logProbability, 4);
    const request = { layer: 2, positions: 'all' as const };
    const states = await engine.hiddenStates(handle, prompts, request);
    expect(states.map(({ positions }) => positions)).toEqual(plain.map(({ promptTokens }) => promptTokens));
    for (const { positions, width, data } of states) {
      expect(width).toBe(256);
      expect(data.length).toBe(positions * width);
    }
    await expect(engine.hiddenStates(handle, prompts, { ...request, layer: 5 })).rejects.toMatchObject({
      code: 'config',
    });
  });

  test('gives as many of the largest log-probabilities as asked', async () => {
    const asked = { ...decoding, maxTokens: 2 };
    const [few] = await engine.generate(handle, prompts, { ...asked, topLogProbabilities: 3 });
    const [many] = await engine.generate(handle, prompts, { ...asked, topLogProbabilities: 25 });
    expect(few!.tokens[0]!.topLogProbabilities).toEqual(plain[0]!.tokens[0]!.topLogProbabilities.slice(0, 3));
    expect(many!.tokens[0]!.topLogProbabilities.length).toBe(25);
    expect(many!.tokens[0]!.topLogProbabilities.slice(0, 10)).toEqual(
      plain[0]!.tokens[0]!.topLogProbabilities,
    );
  });
});
