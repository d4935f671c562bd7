import { expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import { mockModel } from '../../src/models/mock.ts';

const decoding = { maxTokens: 20, temperature: 0, topP: 1, seed: 1 };
const prompts = ['one', 'two', 'three'].map((text, seed) => ({ messages: ask(text), seed }));
const model = mockModel({ answer: (messages, seed) => `answer ${seed} to  ${messages.at(-1)!.content}\n` });

test('an answer does not depend on its batch, and its tokens are its text', async () => {
  const together = await model.generate(prompts, decoding);
  const alone = await Promise.all(
    prompts.map(async (prompt) => (await model.generate([prompt], decoding))[0]!),
  );
  expect(together).toEqual(alone);
  const [first] = together;
  expect(first).toMatchObject({ text: 'answer 0 to  one\n', finishReason: 'stop', promptTokens: 3 });
  expect(
    first!.tokens
      .filter(({ endOfTurn }) => !endOfTurn)
      .map(({ text }) => text)
      .join(''),
  ).toBe(first!.text);
  expect(first!.tokens.at(-1)!.endOfTurn).toBe(true);
});

test('made-up probabilities are a distribution whose largest is the sampled token', async () => {
  const [generation] = await model.generate([prompts[0]!], decoding);
  for (const { logProbability, topLogProbabilities } of generation!.tokens) {
    expect(topLogProbabilities).toHaveLength(10);
    expect(topLogProbabilities).toEqual(topLogProbabilities.toSorted((a, b) => b - a));
    expect(topLogProbabilities[0]).toBe(logProbability);
    expect(topLogProbabilities.reduce((sum, logP) => sum + Math.exp(logP), 0)).toBeLessThan(1);
  }
});

test('it stops at the token limit and at the context’s end', async () => {
  const long = mockModel({ answer: () => 'a b c d e f', contextLength: 6 });
  const [byLimit] = await long.generate([prompts[0]!], { ...decoding, maxTokens: 2 });
  expect(byLimit).toMatchObject({ text: 'a b', finishReason: 'length' });
  const [byContext] = await long.generate([prompts[0]!], decoding);
  expect(byContext).toMatchObject({ text: 'a b c', finishReason: 'length' });
});

test('a table answers the last turn and refuses an unknown one; seeds tell mocks apart', async () => {
  const table = mockModel({ answer: { one: 'uno' }, seed: 2 });
  expect((await table.generate([prompts[0]!], decoding))[0]!.text).toBe('uno');
  await expect(table.generate([prompts[1]!], decoding)).rejects.toThrow(
    'mock: the table has no answer to "two"',
  );
  expect(table.fingerprint).not.toBe(model.fingerprint);
});
