import { expect, onTestFinished, test, vi } from 'vitest';
import { connect, send } from '../../../src/models/openai/connection.ts';
import { createPlaces } from '../../../src/models/openai/places.ts';
import { createPool } from '../../../src/models/openai/pool.ts';
import { auditErrorOf } from '../../audit-error.ts';
import { type ToyServer, toyServer } from './toy-server.ts';

/** Servers that come and go, asked directly. */

test('a server that comes and goes is looked after once, however often it went', async () => {
  let [down, ill] = [false, false];
  const servers: ToyServer[] = [];
  for (const _ of ['first', 'second']) {
    const fault = () => (down ? ('reset' as const) : null);
    servers.push(await toyServer({ make: 'vllm', answer: () => 'well', fault, ill: () => ill }));
  }
  const members = servers.map(({ endpoint }) => ({
    connection: connect({ endpoint, apiKeyEnv: null, timeoutSeconds: 5 }, {}),
    weight: 1,
  }));
  const pool = createPool({ members, attempts: 1, places: createPlaces(4), budget: null, backoffMs: 200 });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    pool.close();
    vi.useRealTimers();
    for (const server of servers) server.close();
  });
  const body = { model: 'toy', messages: [{ role: 'user', content: 'How are you?' }], max_tokens: 9 };
  const ask = () =>
    pool.ask({ path: 'chat/completions', body, name: 'toy', read: (text) => text }, undefined);
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
