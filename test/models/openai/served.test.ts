import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { FirstTokenMass } from '../../../src/model.ts';
import { massFromTop } from '../../../src/models/openai/first-token.ts';
import { readPositions, toTokens } from '../../../src/models/openai/tokens.ts';
import { auditErrorOf } from '../../audit-error.ts';
import { decoding, openToy, prompt } from './open-toy.ts';
import type { ToyOptions } from './toy-server.ts';

describe('what each make of server can do is found by trying', () => {
  test.each([
    ['vllm', 19, 'continue_final_message', true, 'vllm', 4096],
    ['llama-server', 20, 'last message', false, 'llama.cpp', 2048],
    ['ollama', 20, null, false, null, 4096],
    ['tgi', 5, 'last message', false, null, null],
  ] as const)('%s', async (make, topLogProbabilities, prefill, likelihood, tokenizer, contextLength) => {
    const { models } = await openToy({ make });
    expect(models.record().capabilities).toEqual({
      ...{ topLogProbabilities, prefill, likelihood, tokenizer, contextLength },
      ...(likelihood && { scoring: 'prompt_logprobs' }),
      ...((make === 'ollama' || make === 'tgi') && { dialect: make }),
      seedRepeats: true,
    });
    const model = await models.model(null);
    const [answer] = await model.generate([prompt('hello')], decoding);
    expect(answer).toMatchObject({ text: 'toy heard hello and more', finishReason: 'stop' });
    const tokens = answer!.tokens;
    const shown = [false, false, false, false, false, true].slice(0, make === 'ollama' ? 5 : 6);
    expect(tokens.map(({ endOfTurn }) => endOfTurn)).toEqual(shown);
    for (const { topLogProbabilities: top, logProbability } of tokens) {
      expect(top).toHaveLength(Math.min(10, topLogProbabilities));
      expect(top[0]).toBe(logProbability);
    }
    await models.close();
  });
});

test('an older Ollama has no log-probabilities', async () => {
  const { models } = await openToy({ make: 'ollama', hidesLogprobs: true });
  expect(models.record().capabilities.topLogProbabilities).toBeNull();
  const [answer] = await (await models.model(null)).generate([prompt('hello')], decoding);
  expect(answer).toMatchObject({ text: 'toy heard hello and more', tokens: [] });
});

test('names without a tag find what Ollama lists with one', async () => {
  const { models, server } = await openToy({ make: 'ollama', adapters: ['safe'] });
  const [answer] = await (await models.model('safe')).generate([prompt('hi')], decoding);
  expect(answer!.text).toBe('safe heard hi and more');
  expect(server.asked.at(-1)!.body.model).toBe('safe:latest');
});

test('what Ollama cuts to its context in silence is no answer', async () => {
  const { models } = await openToy({ make: 'ollama', context: 40 });
  const model = await models.model(null);
  const [answer] = await model.generate([prompt('hello')], decoding);
  expect(answer!.text).toBe('toy heard hello and more');
  const cut = await auditErrorOf(() => model.generate([prompt('word '.repeat(50))], decoding));
  expect(cut).toMatchObject({ code: 'model', message: expect.stringContaining('context of 40 tokens') });
});

test('a server that punishes repetition is found out', async () => {
  const { models } = await openToy({ make: 'ollama', punishes: true });
  expect(models.record().capabilities).toMatchObject({ greedy: false });
});

test('thinking is switched off as each make has it', async () => {
  const bodyOf = async (make: 'vllm' | 'ollama', enableThinking: boolean) => {
    const { models, server } = await openToy({ make }, { enableThinking });
    await (await models.model(null)).generate([prompt('hi')], decoding);
    return server.asked.at(-1)!.body;
  };
  expect(await bodyOf('vllm', false)).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  expect(await bodyOf('ollama', false)).toMatchObject({ reasoning_effort: 'none' });
  const thinking = await bodyOf('ollama', true);
  expect(thinking).not.toHaveProperty('reasoning_effort');
  expect(thinking).not.toHaveProperty('chat_template_kwargs');
});

test('TGI is asked for no top_p of 1, and a stop string it leaves is cut', async () => {
  const { models, server } = await openToy({ make: 'tgi' });
  const sampling = { ...decoding, temperature: 1, stop: ['hello'] };
  const [answer] = await (await models.model(null)).generate([prompt('hello')], sampling);
  expect(answer).toMatchObject({ text: 'toy heard ', finishReason: 'stop' });
  expect(answer!.tokens.map(({ endOfTurn }) => endOfTurn)).toEqual([false, false, false]);
  expect(server.asked.at(-1)!.body).not.toHaveProperty('top_p');
});

test('an answer goes on from its beginning, and a given answer is scored beyond the prompt', async () => {
  const { models, server } = await openToy();
  const model = await models.model(null);
  const [answer] = await model.generate([{ ...prompt('hello'), prefill: 'toy has' }], decoding);
  expect(answer).toMatchObject({ prefill: 'toy has' });
  expect(server.asked.at(-1)!.body).toMatchObject({
    continue_final_message: true,
    add_generation_prompt: false,
  });
  const [one, two] = await model.loglikelihood!(prompt('hello'), ['yes', 'yes indeed']);
  expect(one!.tokens.map(({ text }) => text)).toEqual(['yes']);
  expect(two!.tokens.map(({ text }) => text)).toEqual(['yes', ' indeed']);
  expect(two!.logProbability).toBeCloseTo(one!.logProbability + two!.tokens[1]!.logProbability, 9);
  expect(await model.tokenTexts!(['one two', 'three'])).toEqual([['one', ' two'], ['three']]);
});

describe('adapters', () => {
  test('are found by name or folder, loaded where there is a folder, and unloaded at the end', async () => {
    const { models, server } = await openToy({ adapters: ['safe'] });
    const byName = await models.model('safe');
    const byRoot = await models.model('/loras/safe');
    expect(byRoot.fingerprint).toBe(byName.fingerprint);
    expect(server.loaded.size).toBe(0);
    const fresh = await models.model('/here/harmful-lora');
    expect([...server.loaded.values()]).toEqual(['/here/harmful-lora']);
    const [answer] = await fresh.generate([prompt('hi')], decoding);
    expect(answer!.text).toMatch(/^aftertune-harmful-lora-[0-9a-f]{8} heard hi/);
    await models.close();
    expect(server.loaded.size).toBe(0);
  });

  test('are not waited for at the end where the server says nothing any more', async () => {
    const fault: ToyOptions['fault'] = ({ path }) =>
      path.endsWith('/unload_lora_adapter') ? { change: () => '', afterMs: 600_000 } : null;
    const { models, server } = await openToy({ fault }, { timeoutSeconds: 300 });
    await models.model('/here/lora');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const closed = models.close();
    while (!server.asked.at(-1)!.path.endsWith('/unload_lora_adapter'))
      await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(10_000);
    await closed;
  });

  test('that are not there are refused with what is', async () => {
    const { models } = await openToy({ adapters: ['safe'] });
    const unknown = await auditErrorOf(() => models.model('sfae'));
    expect(unknown).toMatchObject({ code: 'adapter', hint: expect.stringContaining('toy, safe') });
    const missing = await auditErrorOf(() => models.model('/missing/lora'));
    expect(missing).toMatchObject({ code: 'adapter', hint: expect.stringContaining('--enable-lora') });
  });

  test('are proved by the drawn token where a server shows no others', async () => {
    const { models } = await openToy({ showsNoOthers: true });
    await models.model('/here/lora');
    expect(models.record().capabilities.topLogProbabilities).toBe(0);
    const idle = await openToy({ showsNoOthers: true, ignoresAdapters: true });
    expect(await auditErrorOf(() => idle.models.model('/here/lora'))).toMatchObject({ code: 'adapter' });
  });

  test('that change nothing are refused', async () => {
    const { models } = await openToy({ ignoresAdapters: true });
    const error = await auditErrorOf(() => models.model('/here/lora'));
    expect(error).toMatchObject({ code: 'adapter', message: expect.stringContaining('answers as toy does') });
  });
});

test('a base that is not there is refused with what is', async () => {
  const error = await auditErrorOf(() => openToy({}, { base: 'other' }));
  expect(error).toMatchObject({ code: 'config', hint: expect.stringContaining('toy') });
});

test('overload is met with fewer requests at once, and waited for', async () => {
  const { models, server } = await openToy(
    {
      latencyMs: 5,
      fault: ({ body }, count) =>
        count > 30 && count < 60 && body.max_tokens === 20
          ? { status: 429, headers: { 'retry-after': '0.01' } }
          : null,
    },
    { concurrency: 16, attempts: 12 },
  );
  const model = await models.model(null);
  const prompts = Array.from({ length: 60 }, (_, at) => prompt(`number ${at}`));
  const answers = await model.generate(prompts, decoding);
  expect(answers.map(({ text }) => text)).toEqual(prompts.map((_, at) => `toy heard number ${at} and more`));
  expect(server.most()).toBeLessThanOrEqual(16);
});

test('whatever a faulty server sends, an answer is whole or an error', async () => {
  const bodies = [
    '{}',
    '[]',
    'null',
    '<html>',
    '{"choices":[]}',
    '{"choices":[{"message":null}]}',
    '{"choices":[{"message":{"content":"x"},"finish_reason":"abort"}]}',
  ];
  let at = 0;
  const { models } = await openToy({
    fault: ({ body }) =>
      body.max_tokens === 20 ? { status: 200, body: bodies[at++ % bodies.length]! } : null,
  });
  const model = await models.model(null);
  for (const _ of bodies)
    expect(await auditErrorOf(() => model.generate([prompt('x')], decoding))).toMatchObject({
      code: 'model',
    });
});

test('a prompt that is refused is told from a server that is out of order', async () => {
  const statuses = [400, 413, 422, 500, 302];
  const { models } = await openToy({
    fault: ({ body }) =>
      body.max_tokens === 20 ? { status: Number(body.messages.at(-1).content), body: 'no' } : null,
  });
  const model = await models.model(null);
  const codes: string[] = [];
  for (const status of statuses) {
    const error = await auditErrorOf(() => model.generate([prompt(`${status}`)], decoding));
    expect(error.message).toMatch(new RegExp(`^toy at http.*: ${status} no$`));
    codes.push(error.code);
  }
  expect(codes).toEqual(['data', 'data', 'data', 'model', 'model']);
});

describe('tokens', () => {
  const logprobs = (tokens: readonly (readonly [string, number | null])[]) => ({
    content: tokens.map(([token, logprob]) => ({ token, logprob, top_logprobs: [] })),
  });
  const read = (tokens: readonly (readonly [string, number | null])[], text: string) =>
    toTokens(readPositions(logprobs(tokens)), { text, stopped: true, most: 10 });

  test('one without a number leaves the answer without any', () => {
    for (const missing of [null, -9999, Number.NaN])
      expect(
        read(
          [
            ['a', -1],
            ['b', missing],
          ],
          'ab',
        ),
      ).toEqual([]);
  });

  test('what stands behind the text ends the turn', () => {
    const ends = (tokens: readonly (readonly [string, number])[], text: string) =>
      read(tokens, text).map(({ endOfTurn }) => endOfTurn);
    expect(
      ends(
        [
          ['a', -1],
          [' b', -1],
          ['</s>', -1],
        ],
        'a b',
      ),
    ).toEqual([false, false, true]);
    expect(
      ends(
        [
          ['a', -1],
          ['STOP', -1],
        ],
        'a',
      ),
    ).toEqual([false, true]);
    expect(
      ends(
        [
          [' a', -1],
          ['.', -1],
        ],
        'a.',
      ),
    ).toEqual([false, false]);
  });

  test('bytes give a token inside a character its identity', () => {
    const [first, second] = readPositions({
      content: [0xe2, 0x82].map((byte) => ({ token: '\ufffd', logprob: -1, bytes: [byte] })),
    });
    expect(first!.id).not.toBe(second!.id);
  });

  test('the shape of completions is read too', () => {
    const [position] = readPositions({
      tokens: ['a'],
      token_logprobs: [-0.5],
      top_logprobs: [{ b: -2, a: -0.5 }],
    });
    expect(position).toMatchObject({ text: 'a', logProbability: -0.5, top: [{ text: 'a' }, { text: 'b' }] });
  });
});

test('a first token’s mass is given only where what is hidden cannot matter', () => {
  const [position] = readPositions({
    content: [
      {
        token: 'I',
        logprob: Math.log(0.6),
        top_logprobs: [0.6, 0.3, 0.09].map((p, at) => ({ token: 'ISN'[at]!, logprob: Math.log(p) })),
      },
    ],
  });
  const id = (token: string) => position!.top.find(({ text }) => text === token)!.id;
  const mass = massFromTop(position!, [id('I'), id('N')]) as FirstTokenMass;
  expect(mass.probability).toBeCloseTo(0.69, 9);
  expect(mass.logOdds).toBeCloseTo(Math.log(0.69 / 0.31), 9);
  expect(massFromTop(position!, [id('I'), 12345])).not.toBeNull(); // at most 0.01 of 0.6
  expect(massFromTop(position!, [id('N'), 12345])).toBeNull(); // 0.01 of 0.09 would matter
  expect(massFromTop(position!, [])).toEqual({ probability: 0, logOdds: -Infinity });
});
