import { expect, onTestFinished, test, vi } from 'vitest';
import { connect, send } from '../../../src/models/openai/connection.ts';
import { createPlaces } from '../../../src/models/openai/places.ts';
import { createPool } from '../../../src/models/openai/pool.ts';
import { auditErrorOf } from '../../audit-error.ts';
import { decoding, openToy, prompt } from './open-toy.ts';
import { type ToyOptions, type ToyServer, toyServer } from './toy-server.ts';

/** Servers that come and go, asked directly. */

async function poolOf(
  options: readonly Partial<ToyOptions>[],
  timeoutSeconds: number,
  attempts: number,
  weights: readonly number[] = [],
) {
  const servers: ToyServer[] = [];
  for (const one of options) servers.push(await toyServer({ make: 'vllm', answer: () => 'well', ...one }));
  const members = servers.map(({ endpoint }, at) => ({
    connection: connect({ endpoint, apiKeyEnv: null, timeoutSeconds }, {}),
    weight: weights[at] ?? 1,
  }));
  const pool = createPool({ members, attempts, places: createPlaces(4), budget: null, backoffMs: 200 });
  onTestFinished(() => {
    pool.close();
    vi.useRealTimers();
    for (const server of servers) server.close();
  });
  const body = { model: 'toy', messages: [{ role: 'user', content: 'How are you?' }], max_tokens: 9 };
  const ask = () =>
    pool.ask({ path: 'chat/completions', body, name: 'toy', read: (text) => text }, undefined);
  return { servers, members, ask };
}

test('servers get their shares by weight, also where one request is under way at a time', async () => {
  const { servers, ask } = await poolOf([{}, {}], 5, 1, [1, 3]);
  for (let times = 0; times < 12; times++) await ask();
  expect(servers.map(({ asked }) => asked.length)).toEqual([3, 9]);
  await Promise.all(Array.from({ length: 80 }, ask));
  const [light, heavy] = servers.map(({ asked }) => asked.length);
  expect(heavy! / light!).toBeGreaterThan(2);
  expect(heavy! / light!).toBeLessThan(4);
});

test('a server that comes and goes is looked after once, however often it went', async () => {
  let [down, ill] = [false, false];
  const flaky: Partial<ToyOptions> = { fault: () => (down ? 'reset' : null), ill: () => ill };
  const { servers, members, ask } = await poolOf([flaky, flaky], 5, 1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const fail = async () => {
    down = true;
    expect((await auditErrorOf(ask)).code).toBe('model');
    down = false;
  };
  await fail();
  await fail();
  for (let times = 0; times < 5; times++) {
    expect(await ask()).toContain('well');
    await fail();
  }
  const looks = () => servers.flatMap(({ checks }) => checks).filter((path) => path === '/health').length;
  expect(looks()).toBe(0);
  ill = true;
  vi.advanceTimersByTime(400);
  while (looks() < 2) await new Promise((resolve) => setImmediate(resolve));
  // Whatever else was sent at that moment has come by the time that this is answered.
  for (const { connection } of members) await send(connection, 'models', null, undefined);
  expect(looks()).toBe(2);
});

test('one that says nothing any more is left alone until it is well', async () => {
  const silent: Partial<ToyOptions> = { latencyMs: 600_000, ill: () => true };
  const { servers, ask } = await poolOf([silent, {}], 0.2, 3);
  for (let times = 0; times < 6; times++) expect(await ask()).toContain('well');
  expect(servers.map(({ asked }) => asked.length)).toEqual([1, 6]);
});

test('a prompt that is refused is told from a server that is out of order', async () => {
  const statuses = [400, 413, 422, 402, 500, 302];
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
  expect(codes).toEqual(['data', 'data', 'data', 'model', 'model', 'model']);
});
