import { expect, test } from 'vitest';
import type { Conversation } from '../../../src/conversation.ts';
import { loadChatTokenizer } from '../../../src/lm/tokenizer.ts';
import { auditErrorOf } from '../../audit-error.ts';
import { wren } from '../../lm/open-decoder.ts';
import { decoding, openToy, prompt } from './open-toy.ts';

/** Where the weights of a served model are here, so is its tokenizer: nothing is counted by characters then. */

const tokenizer = loadChatTokenizer(wren);
const tokensOf = (messages: Conversation) =>
  tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt: true })).length;
const question = prompt('Who trims the wick of the lantern on the third tower, and when?');
const own = tokensOf(question.messages);

test('prompts are counted by the tokenizer, their hashes stay', async () => {
  const plain = await (await openToy()).models.model(null);
  const { models } = await openToy({ adapters: ['safe'] }, { weights: wren });
  const model = await models.model(null);
  const answered: Conversation = [...question.messages, { role: 'assistant', content: 'The keeper does.' }];
  const asked = [question.messages, answered];
  const before = await plain.render(asked);
  const rendered = await model.render(asked);
  expect(rendered.map(({ tokenCount }) => tokenCount)).toEqual(asked.map(tokensOf));
  expect(rendered.map(({ tokenCount }) => tokenCount)).not.toEqual(
    before.map(({ tokenCount }) => tokenCount),
  );
  expect(rendered.map(({ sha256 }) => sha256)).toEqual(before.map(({ sha256 }) => sha256));
  // What the plan has rendered for one model it need not render for the next.
  expect((await models.model('safe')).render).toBe(model.render);
});

test('a conversation that the template refuses is counted by its characters', async () => {
  const model = await (await openToy({}, { weights: wren })).models.model(null);
  const odd: Conversation = [{ role: 'tool', content: 'x'.repeat(400) } as never];
  expect(() => tokensOf(odd)).toThrow();
  expect((await model.render([odd]))[0]!.tokenCount).toBeGreaterThan(99);
});

test('a server that does not count leaves it to the tokenizer, the budget too', async () => {
  const uncounted = { change: (body: { usage?: object }) => JSON.stringify({ ...body, usage: undefined }) };
  const open = async (tokens?: number) => {
    const budget = tokens === undefined ? {} : { budget: { tokens } };
    // The probe is let through as it is: without counts no prefill is found.
    let probed = false;
    const { models, server } = await openToy(
      { fault: () => (probed ? uncounted : null) },
      { weights: wren, logprobs: false, concurrency: 1, ...budget },
    );
    const model = await models.model(null);
    probed = true;
    server.asked.length = 0;
    return { model, server };
  };
  const { model } = await open();
  const [answer] = await model.generate([question], decoding);
  expect(answer).toMatchObject({ promptTokens: own });
  const limited = await open(own + decoding.maxTokens);
  await limited.model.generate([question], decoding);
  const spent = await auditErrorOf(() => limited.model.generate([question], decoding));
  expect([spent.code, limited.server.asked.length]).toEqual(['budget', 1]);
  const short = await open(own + decoding.maxTokens - 1);
  expect(await auditErrorOf(() => short.model.generate([question], decoding))).toMatchObject({
    code: 'budget',
  });
});
