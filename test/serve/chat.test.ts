import { request } from 'node:http';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LanguageModel } from '../../src/model.ts';
import { createEmbeddedModel } from '../../src/models/embedded.ts';
import { type Serving, serveModels } from '../../src/serve/server.ts';
import { wren } from '../lm/open-decoder.ts';
import { wrenPrompts } from '../lm/wren-rows.ts';

/** The openai package, which nobody here wrote, against Wren. */

const [prompt] = wrenPrompts(1);
const messages = [...prompt!.messages];
/** The guard's template wants an answer to judge. */
const judged = [...messages, { role: 'assistant' as const, content: 'I do not know.' }];
const decoding = { maxTokens: 24, temperature: 0, topP: 1, seed: 1 };
const asked = { model: 'wren', messages, temperature: 0, max_tokens: 24 };
const lines: string[] = [];
let models: LanguageModel[];
let serving: Serving;
let client: OpenAI;

beforeAll(async () => {
  models = [
    await createEmbeddedModel({ directory: wren }),
    await createEmbeddedModel({ directory: wren, adapter: `${wren}/guard` }),
  ];
  const served = models.map((model, at) => ({
    name: ['wren', 'guard'][at]!,
    root: wren,
    parent: at ? 'wren' : null,
    model,
  }));
  const settings = {
    host: '127.0.0.1',
    port: 0,
    key: 'k',
    version: '0',
    log: (line: string) => lines.push(line),
  };
  serving = await serveModels(served, settings);
  client = new OpenAI({ baseURL: serving.url, apiKey: 'k', maxRetries: 0 });
});
afterAll(async () => {
  await serving.close(0);
  for (const model of models) await model.close();
});

it('answers as the engine does, base and adapter at once', async () => {
  const found = await Promise.all(
    [
      { model: 'wren', messages },
      { model: 'guard', messages: judged },
    ].map((one) => client.chat.completions.create({ ...asked, ...one, logprobs: true })),
  );
  for (const [at, { choices, usage }] of found.entries()) {
    const [own] = await models[at]!.generate([{ messages: at ? judged : messages, seed: 1 }], decoding);
    expect(choices[0]!.message.content).toBe(own!.text);
    expect(choices[0]!.finish_reason).toBe(own!.finishReason);
    expect(usage!.completion_tokens).toBe(own!.tokens.length);
    const kept = own!.tokens.filter(({ endOfTurn }) => !endOfTurn);
    expect(choices[0]!.logprobs!.content!.length).toBe(kept.length);
    for (const [i, { logprob }] of choices[0]!.logprobs!.content!.entries())
      expect(logprob).toBeCloseTo(kept[i]!.logProbability, 4);
  }
});

it('streams what it answers whole, also up to a stop string', async () => {
  const whole = await client.chat.completions.create(asked);
  const text = whole.choices[0]!.message.content!;
  const middle = text.slice(Math.floor(text.length / 2), Math.floor(text.length / 2) + 3);
  for (const stop of [null, middle]) {
    const options = { include_usage: true };
    const stream = await client.chat.completions.create({
      ...asked,
      stop,
      stream: true,
      stream_options: options,
    });
    let [joined, usage] = ['', 0];
    for await (const chunk of stream) {
      joined += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage?.completion_tokens ?? usage;
    }
    expect(joined).toBe(stop === null ? text : text.slice(0, text.indexOf(stop)));
    expect(usage).toBeGreaterThan(0);
  }
});

it('draws the same with the same seed, and n answers apart', async () => {
  const sampled = { ...asked, temperature: 1.5, seed: 7, n: 3 };
  const [a, b] = [
    await client.chat.completions.create(sampled),
    await client.chat.completions.create(sampled),
  ];
  const texts = a.choices.map(({ message }) => message.content);
  expect(b.choices.map(({ message }) => message.content)).toEqual(texts);
  expect(new Set(texts).size).toBeGreaterThan(1);
});

it('refuses by name what would change an answer, in OpenAI’s shape', async () => {
  const refused = (extra: object) => client.chat.completions.create({ ...asked, ...extra } as typeof asked);
  await expect(refused({ logit_bias: { 5: 1 } })).rejects.toMatchObject({ status: 400, param: 'logit_bias' });
  await expect(refused({ logprobs: true, top_logprobs: 21 })).rejects.toMatchObject({
    param: 'top_logprobs',
  });
  await expect(refused({ temperature: 9 })).rejects.toMatchObject({ status: 400, param: 'temperature' });
  await expect(refused({ model: 'none' })).rejects.toMatchObject({ status: 404, param: 'model' });
  const other = new OpenAI({ baseURL: serving.url, apiKey: 'wrong', maxRetries: 0 });
  await expect(other.models.list()).rejects.toMatchObject({ status: 401 });
});

it('tells a template’s refusal without where its file lies', async () => {
  const refusal = client.chat.completions.create({ ...asked, model: 'guard' });
  await expect(refusal).rejects.toMatchObject({ status: 400 });
  await expect(refusal).rejects.not.toThrow(wren);
});

it('lists adapters under their base, and turns away a foreign Host', async () => {
  const { data } = await client.models.list();
  expect(data).toMatchObject([
    { id: 'wren', parent: null },
    { id: 'guard', parent: 'wren' },
  ]);
  const headers = { host: 'example.org', authorization: 'Bearer k' };
  const status = await new Promise((done) =>
    request(`${serving.url}/models`, { headers }, (response) => done(response.resume().statusCode)).end(),
  );
  expect(status).toBe(403);
  expect(lines.join('\n')).not.toContain(messages[0]!.content);
});
