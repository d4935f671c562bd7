import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LanguageModel } from '../../src/model.ts';
import { createEmbeddedModel } from '../../src/models/embedded.ts';
import { type Serving, serveModels } from '../../src/serve/server.ts';
import { wren } from '../lm/open-decoder.ts';
import { wrenPrompts } from '../lm/wren-rows.ts';

/** Given texts, scored and gone on with; tokens and their alternatives by name. */

const [first, second] = wrenPrompts(2);
const answer = ' I do not know.';
let model: LanguageModel;
let serving: Serving;
let client: OpenAI;
let rendered: string[];

beforeAll(async () => {
  model = await createEmbeddedModel({ directory: wren });
  const served = [{ name: 'wren', root: wren, parent: null, model }];
  const settings = { host: '127.0.0.1', port: 0, key: null, version: '0', log: () => {} };
  serving = await serveModels(served, settings);
  client = new OpenAI({ baseURL: serving.url, apiKey: 'none', maxRetries: 0 });
  rendered = (await model.render([first!.messages, second!.messages])).map(({ text }) => text);
});
afterAll(async () => {
  await serving.close(0);
  await model.close();
});

const post = async (path: string, body: object): Promise<Tokens> => {
  const headers = { 'content-type': 'application/json' };
  const url = serving.url.replace(/\/v1$/, path);
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.json() as Promise<Tokens>;
};
type Tokens = { tokens: number[]; count: number; token_strs: string[] };
const idsOf = async (prompt: string): Promise<number[]> => (await post('/tokenize', { prompt })).tokens;

it('scores given texts and token ids as the engine scores continuations', async () => {
  const whole = rendered.map((text) => text + answer);
  const ids = await Promise.all(whole.map(idsOf));
  for (const prompt of [whole, ids])
    for (const max_tokens of [0, 1]) {
      const asked = { model: 'wren', temperature: 0, echo: true, logprobs: 2 };
      const { choices, usage } = await client.completions.create({ ...asked, prompt, max_tokens });
      for (const [at, { messages }] of [first!, second!].entries()) {
        const [score] = await model.loglikelihood!({ messages }, [answer]);
        const { token_logprobs, tokens, top_logprobs, text_offset } = choices[at]!.logprobs!;
        expect(tokens!.length).toBe(ids[at]!.length + max_tokens);
        expect(token_logprobs![0]).toBe(null);
        const own = token_logprobs!.slice(ids[at]!.length - score!.tokens.length, ids[at]!.length);
        expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(score!.logProbability, 3);
        const greedy = own.every(
          (value, i) =>
            value === Math.max(...Object.values(top_logprobs![ids[at]!.length - own.length + i]!)),
        );
        expect(greedy).toBe(score!.greedy);
        expect(text_offset![1]).toBe(tokens![0]!.length);
        expect(choices[at]!.text.startsWith(whole[at]!)).toBe(true);
      }
      expect(usage!.prompt_tokens).toBe(ids[0]!.length + ids[1]!.length);
      expect(usage!.completion_tokens).toBe(2 * max_tokens);
    }
});

it('goes on with a text as the chat does behind its template, whole and streamed', async () => {
  const settings = { model: 'wren', temperature: 0, max_tokens: 24 };
  const chat = await client.chat.completions.create({ ...settings, messages: [...first!.messages] });
  const text = chat.choices[0]!.message.content!;
  const prompt = rendered[0]!;
  const whole = await client.completions.create({ ...settings, prompt, logprobs: 3 });
  expect(whole.choices[0]!.text).toBe(text);
  const word = text.slice(4, 7);
  const cut = await client.completions.create({ ...settings, prompt, stop: word });
  expect(cut.choices[0]!.text).toBe(text.slice(0, text.indexOf(word)));
  for (const stop of [null, word]) {
    const usage = { include_usage: true };
    const chunks = await client.completions.create({
      ...{ ...settings, prompt, n: 2, stop, logprobs: 3 },
      ...{ stream: true as const, stream_options: usage },
    });
    const joined = ['', ''];
    let tokens: string[] = [];
    let counted = 0;
    for await (const { choices, usage } of chunks) {
      counted = usage?.completion_tokens ?? counted;
      for (const choice of choices) {
        joined[choice.index] += choice.text;
        if (choice.index === 0) tokens = [...tokens, ...(choice.logprobs?.tokens ?? [])];
      }
    }
    expect(joined).toEqual(Array(2).fill(stop ? cut.choices[0]!.text : text));
    if (!stop) expect(tokens).toEqual(whole.choices[0]!.logprobs!.tokens);
    expect(counted).toBeGreaterThan(0);
  }
});

it('names the likeliest tokens in a chat, with bytes, the taken one first where it is greedy', async () => {
  const { choices } = await client.chat.completions.create({
    ...{ model: 'wren', messages: [...first!.messages], temperature: 0, max_tokens: 8 },
    ...{ logprobs: true, top_logprobs: 5 },
  });
  const { content } = choices[0]!.logprobs!;
  expect(content!.length).toBeGreaterThan(0);
  for (const { token, logprob, bytes, top_logprobs } of content!) {
    expect(top_logprobs).toHaveLength(5);
    expect(top_logprobs[0]).toEqual({ token, logprob, bytes });
    expect(Buffer.from(bytes!).toString()).toBe(token);
    const values = top_logprobs.map((one) => one.logprob);
    expect(values.toSorted((a, b) => b - a)).toEqual(values);
  }
});

it('tells the bytes of pieces of a character, which joined are the character', async () => {
  const ids = await idsOf('é🦉');
  const [tokens] = await model.scoreTokens!([{ messages: [], raw: ids }], 1);
  expect(Buffer.from(tokens!.flatMap(({ bytes }) => bytes!)).toString()).toContain('é🦉');
  expect(tokens!.some(({ text }) => text.includes('\uFFFD'))).toBe(true);
});

it('tells tokens and texts apart and back, through the template too', async () => {
  const { tokens, count, token_strs } = await post('/tokenize', {
    prompt: rendered[0],
    return_token_strs: true,
  });
  expect(token_strs.join('')).toBe(rendered[0]);
  expect(count).toBe(tokens.length);
  expect(await post('/detokenize', { tokens })).toEqual({ prompt: rendered[0] });
  expect(await post('/detokenize', { tokens: [5, 99_999] })).toMatchObject({
    error: { code: 400, message: 'no token has the id 99999: they go up to 2047' },
  });
  expect((await post('/tokenize', { messages: first!.messages })).tokens).toEqual(tokens);
});

it('refuses what it cannot give by name', async () => {
  const refused = (extra: object) =>
    client.completions.create({ model: 'wren', prompt: 'a', ...extra } as { model: string; prompt: string });
  await expect(refused({ best_of: 3 })).rejects.toMatchObject({ status: 400, param: 'best_of' });
  await expect(refused({ max_tokens: 0 })).rejects.toMatchObject({ status: 400, param: 'max_tokens' });
  await expect(refused({ prompt: [99_999_999] })).rejects.toMatchObject({ status: 400 });
  await expect(refused({ prompt: '', echo: true, logprobs: 1 })).rejects.toMatchObject({ status: 400 });
  await expect(refused({ prompt: Array(5000).fill(5) })).rejects.toMatchObject({ status: 400 });
});

it('scores prompts in vLLM’s shape, in chats and completions, as the engine does', async () => {
  const { messages } = first!;
  const [own] = await model.loglikelihood!({ messages }, [answer]);
  const asked = { model: 'wren', max_tokens: 1, temperature: 0, prompt_logprobs: 3 };
  const chat = {
    ...asked,
    messages: [...messages, { role: 'assistant', content: answer }],
    ...{ add_generation_prompt: false, continue_final_message: true },
  };
  const completion = { ...asked, prompt: rendered[0]! + answer };
  const of = async (body: object) => (await post('/v1/chat/completions', body)) as unknown as Scored;
  const positions = [
    (await of(chat)).prompt_logprobs,
    ((await post('/v1/completions', completion)) as unknown as { choices: Scored[] }).choices[0]!
      .prompt_logprobs,
  ];
  const ids = await idsOf(rendered[0]! + answer);
  for (const scored of positions) {
    expect(scored).toHaveLength(ids.length);
    expect(scored[0]).toBeNull();
    const given = scored.slice(-own!.tokens.length).map((entry, at) => entry![own!.tokens[at]!.id]!);
    expect(given.map(({ decoded_token }) => decoded_token).join('')).toBe(answer);
    expect(given.reduce((sum, { logprob }) => sum + logprob, 0)).toBeCloseTo(own!.logProbability, 4);
    expect(given.every(({ rank }) => rank === 1)).toBe(own!.greedy);
    for (const entry of scored.slice(1)) {
      const ranked = Object.values(entry!).toSorted((a, b) => a.rank - b.rank);
      expect(ranked.slice(0, 3).map(({ rank }) => rank)).toEqual([1, 2, 3]);
      expect(ranked.map(({ logprob }) => logprob)).toEqual(
        ranked.map(({ logprob }) => logprob).toSorted((a, b) => b - a),
      );
    }
  }
});
type Scored = {
  prompt_logprobs: (Record<number, { logprob: number; rank: number; decoded_token: string }> | null)[];
};

it('knows every name it is sent: does it, knows that it changes nothing, or refuses it', async () => {
  const asked = { model: 'wren', prompt: 'The', max_tokens: 1, temperature: 0 };
  const of = async (extra: object) =>
    (await post('/v1/completions', { ...asked, ...extra })) as unknown as Refusal;
  for (const harmless of [
    { user: 'u' },
    { store: true },
    { best_of: 1 },
    { logit_bias: {} },
    { suffix: null },
  ])
    expect((await of(harmless)).error).toBeUndefined();
  for (const [name, value] of Object.entries({
    ...{
      suffix: 'x',
      logit_bias: { 5: 1 },
      guided_json: {},
      truncate_prompt_tokens: 5,
      add_special_tokens: false,
    },
    ...{ prompt_logprobs: -1, no_such_thing: 1 },
  }))
    expect((await of({ [name]: value })).error).toMatchObject({ code: 400, param: name });
  const streamed = await of({ stream: true, prompt_logprobs: 1 });
  expect(streamed.error).toMatchObject({ code: 400, param: 'prompt_logprobs' });
});
type Refusal = { error?: { code: number; param: string } };

it('shows the template that prompts are written by', async () => {
  const info = await (await fetch(serving.url.replace(/\/v1$/, '/tokenizer_info'))).json();
  expect((info as { chat_template: string }).chat_template).toContain('add_generation_prompt');
});
