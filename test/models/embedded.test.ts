import { beforeAll, expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import type { AnswerPart, LanguageModel } from '../../src/model.ts';
import { createEmbeddedModel } from '../../src/models/embedded.ts';
import { wren } from '../lm/open-decoder.ts';
import { wrenPrompts } from '../lm/wren-rows.ts';

const decoding = { maxTokens: 24, temperature: 0, topP: 1, seed: 1 };
const prompts = wrenPrompts(3);
let model: LanguageModel;
beforeAll(async () => {
  model = await createEmbeddedModel({ directory: wren });
  return () => model.close();
});

async function read(parts: AsyncIterable<AnswerPart>, until = Infinity): Promise<AnswerPart[]> {
  const seen: AnswerPart[] = [];
  for await (const part of parts) if (seen.push(part) >= until) break;
  return seen;
}

test('streams answers side by side; leaving one leaves the others alone', async () => {
  const planned = await model.generate(prompts, decoding);
  const [first, left, last] = await Promise.all([
    read(model.stream!(prompts[0]!, decoding)),
    read(model.stream!(prompts[1]!, decoding), 2),
    read(model.stream!(prompts[2]!, decoding)),
  ]);
  expect(first.map(({ text }) => text).join('')).toBe(planned[0]!.text);
  expect(last.map(({ text }) => text).join('')).toBe(planned[2]!.text);
  expect(left.length).toBe(2);
  const signal = AbortSignal.abort();
  await expect(read(model.stream!(prompts[0]!, decoding, signal))).rejects.toMatchObject({
    code: 'interrupted',
  });
  const long = { messages: ask('a '.repeat(model.contextLength)), seed: 0 };
  await expect(read(model.stream!(long, decoding))).rejects.toMatchObject({ code: 'data' });
});

test('a batch-invariant model is another model, whose answers are the same in any batch', async () => {
  const invariant = await createEmbeddedModel({ directory: wren, batchInvariant: true });
  expect(invariant.fingerprint).not.toBe(model.fingerprint);
  const together = await invariant.generate(prompts, decoding);
  for (const [row, prompt] of prompts.entries())
    expect(await invariant.generate([prompt], decoding)).toEqual([together[row]]);
  await invariant.close();
});

test('scores continuations, first tokens and states', async () => {
  const [answer] = await model.generate(prompts.slice(0, 1), decoding);
  const scores = await model.loglikelihood!(prompts[0]!, [answer!.text, 'Never.']);
  expect(scores.map(({ greedy }) => greedy)).toEqual([true, false]);
  const [mass] = await model.firstTokenMass!(prompts, [answer!.tokens[0]!.id]);
  expect(mass!.logOdds).toBeCloseTo(Math.log(mass!.probability / (1 - mass!.probability)), 4);
  const [states] = await model.hiddenStates!(prompts, { layer: 4, positions: 'last' });
  expect([states!.positions, states!.width, states!.data.length]).toEqual([1, 256, 256]);
});
