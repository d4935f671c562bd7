import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LanguageModel } from '../../../src/model.ts';
import { createEmbeddedModel } from '../../../src/models/embedded.ts';
import { openModelServer, type ServedSettings } from '../../../src/models/openai/served.ts';
import { openServerModel } from '../../../src/models/server.ts';
import { type Serving, serveModels } from '../../../src/serve/server.ts';
import { wren } from '../../lm/open-decoder.ts';
import { wrenPrompts } from '../../lm/wren-rows.ts';

/** Our own server as the model of an audit: given answers are scored as the engine behind it scores them. */

let engine: LanguageModel;
let guard: LanguageModel;
let serving: Serving;
beforeAll(async () => {
  engine = await createEmbeddedModel({ directory: wren });
  const settings = { host: '127.0.0.1', port: 0, key: null, version: '0', log: () => {} };
  guard = await createEmbeddedModel({ directory: wren, adapter: `${wren}/guard` });
  const served = [
    { name: 'wren', root: wren, parent: null, model: engine },
    { name: 'guard', root: `${wren}/guard`, parent: 'wren', model: guard },
  ];
  serving = await serveModels(served, settings);
});
afterAll(async () => {
  await serving.close(0);
  await engine.close();
  await guard.close();
});

test('a guard whose template takes a prompt with its answer alone judges as it does here', async () => {
  const server = { endpoint: serving.url, name: 'guard', apiKeyEnv: null, timeoutSeconds: 30 };
  const there = await openServerModel({ ...server, attempts: 1, concurrency: 2, logprobs: true });
  expect(there.lacks?.closedAnswers).toBeUndefined();
  const messages = [
    ...wrenPrompts(1)[0]!.messages,
    { role: 'assistant' as const, content: 'The lantern is lit with oil of tern.' },
  ];
  const decoding = { maxTokens: 8, temperature: 0, topP: 1, seed: 0 };
  const [own] = await guard.generate([{ messages, seed: 0 }], decoding);
  const [asked] = await there.generate([{ messages, seed: 0 }], decoding);
  expect(asked!.text).toBe(own!.text);
  expect(asked!.tokens[0]!.topLogProbabilities.length).toBeGreaterThan(1);
});

/** The server as one that does not know a parameter, or a route. */
async function without(hidden: { parameter?: string; route?: string }) {
  const proxy = createServer(async (request, response) => {
    if (request.url === hidden.route) return response.writeHead(404).end('{}');
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : null;
    if (body && hidden.parameter) delete body[hidden.parameter];
    const answer = await fetch(serving.url.replace('/v1', '') + request.url, {
      method: request.method!,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    return response.end(await answer.text());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/v1`;
  return { endpoint, close: () => proxy.close().closeAllConnections() };
}

const settings = (endpoint: string, own: Partial<ServedSettings> = {}): ServedSettings => ({
  ...{ endpoint, base: 'wren', apiKeyEnv: null, timeoutSeconds: 30, attempts: 1 },
  ...{ concurrency: 2, logprobs: true, enableThinking: null },
  ...own,
});
const answers = ['I do not know.', ' I do not know.', 'Yes', 'The lantern is on the hill.'];

describe.each([
  ['prompt_logprobs', {}, {}],
  ['echo of tokens', { parameter: 'prompt_logprobs' }, {}],
  ['echo of text', { parameter: 'prompt_logprobs', route: '/tokenize' }, { weights: wren }],
] as const)('by %s', (scoring, hidden, own) => {
  test('a given answer is as likely as to the engine', async () => {
    const proxy = await without(hidden);
    const models = await openModelServer(settings(proxy.endpoint, own), { backoffMs: 1, environment: {} });
    expect(models.record().capabilities).toMatchObject({ likelihood: true, scoring });
    const model = await models.model(null);
    for (const { messages } of wrenPrompts(3))
      for (const prompt of [{ messages }, { messages, prefill: 'It is' }]) {
        const mine = await model.loglikelihood!(prompt, answers);
        const theirs = await engine.loglikelihood!(prompt, answers);
        for (const at of answers.keys()) {
          for (const [place, { logProbability }] of theirs[at]!.tokens.entries())
            expect(Math.abs(mine[at]!.tokens[place]!.logProbability - logProbability)).toBeLessThan(
              1e-5 * Math.max(1, -logProbability),
            );
          expect(mine[at]!.greedy).toBe(theirs[at]!.greedy);
          expect(mine[at]!.tokens.map(({ text }) => text)).toEqual(
            theirs[at]!.tokens.map(({ text }) => text),
          );
        }
      }
    await models.close();
    proxy.close();
  });
});

test('with neither route nor template there are no likelihoods, and a hint', async () => {
  const proxy = await without({ parameter: 'prompt_logprobs', route: '/tokenize' });
  const models = await openModelServer(settings(proxy.endpoint), { backoffMs: 1, environment: {} });
  expect(models.record().capabilities.likelihood).toBe(false);
  expect((await models.model(null)).lacks?.likelihood).toContain('model.weights');
  proxy.close();
});
