import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type ExchangeRequest, exchange } from '../../../src/models/openai/exchange.ts';
import { inParallel } from '../../../src/parallel.ts';
import { TimedOut } from '../../../src/time-limit.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serve(listener: RequestListener) {
  let connections = 0;
  const server = createServer(listener).on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/x`;
  return { address, connections: () => connections };
}

const request: ExchangeRequest = {
  ...{ headers: { 'x-lantern': 'lit' }, body: 'é', longest: 100, timeoutMs: 5000, signal: undefined },
};

test('many exchanges share few connections, one signal and no listener too many', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => void warnings.push(warning);
  process.on('warning', note);
  const { address, connections } = await serve((asked, response) => {
    asked.resume().on('end', () => setTimeout(() => response.end(asked.headers['x-lantern']), 2));
  });
  const { signal } = new AbortController();
  const texts: (string | null)[] = [];
  await inParallel(Array(200).keys(), 20, async () => {
    texts.push((await exchange(address, { ...request, signal })).text);
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('warning', note);
  expect([texts.length, new Set(texts)]).toEqual([200, new Set(['lit'])]);
  expect(connections()).toBeLessThanOrEqual(20);
  expect(warnings).toEqual([]);
});

test('what is too long is not read to its end, and what comes too late is not waited for', async () => {
  const long = await serve((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(1000)));
    };
    response.on('drain', more);
    more();
  });
  expect(await exchange(long.address, request)).toMatchObject({ status: 200, text: null });
  const late = await serve((_, response) => void response.write('half'));
  await expect(exchange(late.address, { ...request, timeoutMs: 50 })).rejects.toThrow(TimedOut);
});

test('a signal ends what is under way and what is begun after it', async () => {
  const stop = new AbortController();
  const { address } = await serve(() => stop.abort());
  const begun = exchange(address, { ...request, signal: stop.signal });
  await expect(begun).rejects.toThrow('stopped');
  await expect(exchange(address, { ...request, signal: stop.signal })).rejects.toThrow('stopped');
});

test.each([
  ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: toy\r\n\r\n', 'without an answer'],
  ['HTTP/1.1 200', 'hang up'],
  ['no HTTP\r\n\r\n', 'Parse Error'],
])('what ends without an answer is a failure: %j', async (said, why) => {
  const server = createRawServer((socket) => void socket.on('error', () => {}).end(said));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/x`;
  await expect(exchange(address, request)).rejects.toThrow(why);
});

test('no more is begun at once than there is work', async () => {
  let [under, most] = [0, 0];
  await inParallel([1, 2, 3], 64, async () => {
    most = Math.max(most, ++under);
    await new Promise((resolve) => setTimeout(resolve, 1));
    under--;
  });
  expect(most).toBe(3);
});
