import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { openServerModel, type ServerSettings } from '../../src/models/server.ts';
import { llamaGuardScorer } from '../../src/scorers/llama-guard.ts';
import { answered } from '../scorers/answered.ts';
import { type Asked, type Make, type ToyOptions, toyServer } from './openai/toy-server.ts';

interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly delayMs?: number;
}
interface Seen {
  readonly url: string;
  readonly key: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
  readonly body: any;
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that answers every completion by `reply`, told how often this very text was asked. */
async function serve(reply: (text: string, time: number, seen: Seen) => Reply | string) {
  const seen: Seen[] = [];
  const times = new Map<string, number>();
  let [under, most] = [0, 0];
  const server = createServer(async (request, response) => {
    const body = request.method === 'GET' ? null : JSON.parse(await textOf(request));
    const one = { url: request.url!, key: request.headers.authorization, body };
    if (body === null) return void response.end('{"data":[]}');
    if (body.messages[0].content === 'Count from one to ten.')
      return void response.end(JSON.stringify(whenOpened));
    seen.push(one);
    most = Math.max(most, ++under);
    const text = body.messages.at(-1).content as string;
    const time = (times.get(text) ?? 0) + 1;
    times.set(text, time);
    const made = reply(text, time, one);
    const {
      status = 200,
      headers = {},
      body: sent,
      delayMs = 5,
    }: Reply = typeof made === 'string' ? { body: completion(made) } : made;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    under--;
    response.writeHead(status, headers).end(typeof sent === 'string' ? sent : JSON.stringify(sent ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { endpoint, seen, most: () => most };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

const completion = (content: string, more: object = {}) => ({
  choices: [{ message: { content }, finish_reason: 'stop', ...more }],
  usage: { prompt_tokens: 7 },
});
/** What is asked when a judge is opened, to see what its server gives. */
const likeliest = Array.from({ length: 20 }, (_, at) => ({ logprob: -1 - at }));
const whenOpened = completion('one', {
  logprobs: { content: [{ token: 'one', logprob: -1, top_logprobs: likeliest }] },
});
const settings = (endpoint: string, own: Partial<ServerSettings> = {}): ServerSettings => ({
  ...{
    endpoint,
    name: 'guard',
    apiKeyEnv: null,
    timeoutSeconds: 5,
    attempts: 3,
    concurrency: 4,
    logprobs: true,
  },
  ...own,
});
const quick = { backoffMs: 1 };
const decoding = { maxTokens: 9, temperature: 0, topP: 1, seed: 0 };
const prompt = (content: string) => ({ messages: [{ role: 'user' as const, content }], seed: 3 });

async function refusal(action: Promise<unknown>): Promise<AuditError> {
  return action.then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => (error instanceof AuditError ? error : Promise.reject(error)),
  );
}

test('asks for a chat completion with decoding and key, and reads text, tokens and reason', async () => {
  const logprobs = {
    content: [{ token: 'unsafe', logprob: -0.5, top_logprobs: [{ logprob: -2 }, { logprob: -0.5 }] }],
  };
  const { endpoint, seen } = await serve(() => ({
    body: completion('unsafe', { finish_reason: 'length', logprobs }),
  }));
  const model = await openServerModel(settings(endpoint, { apiKeyEnv: 'THE_KEY' }), {
    ...quick,
    // As a file that a secret was read from ends.
    environment: { THE_KEY: 'opensesame\n' },
  });
  expect(await model.generate([prompt('a')], decoding)).toEqual([
    {
      text: 'unsafe',
      tokens: [
        {
          id: expect.any(Number),
          text: 'unsafe',
          logProbability: -0.5,
          topLogProbabilities: [-0.5, -2],
          endOfTurn: false,
        },
      ],
      finishReason: 'length',
      promptTokens: 7,
    },
  ]);
  expect(seen[0]).toMatchObject({
    url: '/v1/chat/completions',
    key: 'Bearer opensesame',
    body: {
      model: 'guard',
      max_tokens: 9,
      temperature: 0,
      seed: 3,
      logprobs: true,
      top_logprobs: 10,
    },
  });
  expect(JSON.stringify(model)).not.toContain('opensesame');
});

test('429 and 5xx are asked again, after what the server asks to wait', async () => {
  const { endpoint, seen } = await serve((text, time) => {
    if (time === 1) return { status: 429, headers: { 'retry-after': '0.3' } };
    return time === 2 ? { status: 503 } : `answer to ${text}`;
  });
  const model = await openServerModel(settings(endpoint), quick);
  const start = performance.now();
  const [generation] = await model.generate([prompt('a')], decoding);
  expect(generation).toMatchObject({ text: 'answer to a', tokens: [] });
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(seen).toHaveLength(3);
});

test('no more requests are under way than allowed', async () => {
  const { endpoint, most, seen } = await serve(() => ({ body: completion('safe'), delayMs: 20 }));
  const model = await openServerModel(settings(endpoint, { concurrency: 3 }), quick);
  const answers = await model.generate(
    Array.from({ length: 10 }, (_, i) => prompt(String(i))),
    decoding,
  );
  expect(answers).toHaveLength(10);
  expect([most(), seen.length]).toEqual([3, 10]);
});

test('one prompt’s failure costs that prompt alone, whatever kind it is', async () => {
  const { endpoint } = await serve((text) => {
    if (text === 'long') return { status: 400, body: { error: 'context length' } };
    if (text === 'broken') return { status: 500 };
    if (text === 'odd') return { body: 'this is no JSON' };
    if (text === 'late') return { body: completion('safe'), delayMs: 60_000 };
    if (text === 'filtered') return { body: completion('', { finish_reason: 'content_filter' }) };
    return text === 'bad' ? 'unsafe\nS1' : 'safe';
  });
  const model = await openServerModel(settings(endpoint, { attempts: 2, timeoutSeconds: 1 }), quick);
  const texts = ['fine', 'long', 'broken', 'odd', 'late', 'filtered', 'bad', 'fine'];
  const verdicts = await llamaGuardScorer(model).score(texts.map((text) => answered(text)));
  expect(verdicts.map((verdict) => ('reason' in verdict ? verdict.reason : verdict.label))).toEqual([
    'safe',
    ...['judge_error', 'judge_error', 'judge_error', 'judge_error'],
    'content_filter',
    'unsafe',
    'safe',
  ]);
});

test('a server that cannot be reached, a wrong key and an unknown model stop the judging', async () => {
  const nobody = await refusal(openServerModel(settings('http://127.0.0.1:9/v1', { attempts: 2 }), quick));
  expect(nobody).toMatchObject({ code: 'network', message: expect.stringContaining('127.0.0.1:9') });
  const { endpoint } = await serve((text) => ({
    status: text === 'a' ? 401 : 404,
    body: 'the key opensesame is wrong',
  }));
  const model = await openServerModel(settings(endpoint, { apiKeyEnv: 'THE_KEY' }), {
    ...quick,
    environment: { THE_KEY: 'opensesame' },
  });
  const wrongKey = await refusal(llamaGuardScorer(model).score([answered('a')]));
  expect(wrongKey).toMatchObject({ code: 'config', message: expect.stringContaining('[key]') });
  expect(wrongKey.message).not.toContain('opensesame');
  const unknown = await refusal(llamaGuardScorer(model).score([answered('b')]));
  expect(unknown).toMatchObject({ code: 'config', message: expect.stringContaining('no model guard') });
  const unset = await refusal(
    openServerModel(settings(endpoint, { apiKeyEnv: 'NO_KEY' }), { environment: {} }),
  );
  expect(unset).toMatchObject({ code: 'config', message: expect.stringContaining('NO_KEY') });
  for (const key of [' \n', 'open\nsesame', 'sésame…']) {
    const odd = await refusal(
      openServerModel(settings(endpoint, { apiKeyEnv: 'THE_KEY' }), { environment: { THE_KEY: key } }),
    );
    expect(odd).toMatchObject({ code: 'config', message: expect.stringContaining('THE_KEY') });
    expect(`${odd.message}${odd.hint}`).not.toContain('sesame');
  }
});

test('a judge that its server does not list, or that answers nothing, is told of when it is opened', async () => {
  const vllm = await toyServer({ make: 'vllm', answer: () => 'safe', adapters: ['guard-2'] });
  closing.push(vllm.close);
  const unknown = await refusal(openServerModel(settings(vllm.endpoint), quick));
  expect(unknown).toMatchObject({ code: 'config', message: `${vllm.endpoint} has no model guard` });
  expect(unknown.hint).toBe('set the judge’s model.name to one that it lists: toy, guard-2');
  expect(vllm.asked).toEqual([]);
  const mute = await toyServer({
    ...{ make: 'vllm', answer: () => 'safe' },
    fault: () => ({ status: 400, body: '{"error":"the model has no chat template"}' }),
  });
  closing.push(mute.close);
  expect(await refusal(openServerModel(settings(mute.endpoint, { name: 'toy' }), quick))).toMatchObject({
    message: expect.stringContaining('no chat template'),
  });
});

test('a judge is asked for as many log-probabilities as its server gives, and for none where it refuses them', async () => {
  const judged = async (make: Make, more: Partial<ToyOptions> = {}) => {
    const server = await toyServer({ make, answer: () => 'unsafe S1', ...more });
    closing.push(server.close);
    const model = await openServerModel(settings(server.endpoint, { name: 'toy' }), quick);
    const [generation] = await model.generate([prompt('a')], { ...decoding, temperature: 0.7 });
    const { body } = server.asked.at(-1)!;
    return [
      generation!.text,
      generation!.tokens[0]?.topLogProbabilities.length,
      body.top_logprobs,
      body.top_p,
    ];
  };
  expect(await judged('vllm')).toEqual(['unsafe S1', 10, 10, 1]);
  expect(await judged('tgi')).toEqual(['unsafe S1', 5, 5, undefined]);
  const refuses = ({ body }: Asked) => (body.logprobs ? { status: 400 } : null);
  expect(await judged('vllm', { fault: refuses })).toEqual(['unsafe S1', undefined, undefined, 1]);
});

test('a guard that would go on from the answer it is shown is refused', async () => {
  const guardOf = async (make: Make) => {
    const server = await toyServer({ make, answer: () => 'safe' });
    closing.push(server.close);
    return llamaGuardScorer(await openServerModel(settings(server.endpoint, { name: 'toy' }), quick));
  };
  expect((await guardOf('vllm')).name).toBe('llama-guard');
  for (const make of ['llama-server', 'tgi'] as const)
    expect(await refusal(guardOf(make))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('goes on from the answer'),
      hint: expect.stringContaining('--no-prefill-assistant'),
    });
});

test('a redirect is not followed, and a stop ends at once', async () => {
  const { endpoint, seen } = await serve((text) =>
    text === 'away'
      ? { status: 302, headers: { location: 'http://127.0.0.1:9/' } }
      : { body: completion('safe'), delayMs: 60_000 },
  );
  const model = await openServerModel(settings(endpoint, { attempts: 1, timeoutSeconds: 60 }), quick);
  expect(await refusal(model.generate([prompt('away')], decoding))).toMatchObject({ code: 'model' });
  const stop = new AbortController();
  const stopped = refusal(model.generate([prompt('slow')], decoding, stop.signal));
  await vi.waitFor(
    () => expect(seen.map(({ body }) => body.messages.at(-1).content)).toContain('slow'),
    30_000,
  );
  stop.abort();
  // Whoever waited for the answer, or for its time to be over, would wait longer than a test may take.
  expect((await stopped).code).toBe('interrupted');
});
