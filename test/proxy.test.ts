import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { downloadData } from '../src/data/download.ts';
import { createHubClient } from '../src/hub/client.ts';
import { parseHubName } from '../src/hub/name.ts';
import { connect, send } from '../src/models/openai/connection.ts';
import { isProxied } from '../src/proxy.ts';
import { auditErrorOf } from './audit-error.ts';
import { lanterns, startDataServer, webSource } from './data/data-server.ts';
import { commit, repository, startHub } from './hub/hub-server.ts';
import { toyServer } from './models/openai/toy-server.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { toyProxy } from './toy-proxy.ts';

/** Names under .example exist nowhere: what answers for them was asked through the proxy. */

const variables = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
beforeEach(() => {
  for (const name of variables) vi.stubEnv(name, undefined);
});

const portOf = (address: string) => Number(new URL(address).port);

test('the Hub is asked through the proxy, with its name and password, but not what lies on this machine', async () => {
  const hub = await startHub({ 'config.json': '{}', 'model.safetensors': 'weights' });
  const proxy = await toyProxy(portOf(hub.endpoint));
  vi.stubEnv('HF_ENDPOINT', 'http://hub.example');
  vi.stubEnv('HTTP_PROXY', `http://keeper:lamp@127.0.0.1:${proxy.port}`);
  const name = parseHubName(`hf:${repository}`)!;
  const client = await createHubClient();
  expect(await client.commitOf(name)).toBe(commit);
  expect(await client.list(name, commit)).toHaveLength(2);
  // A redirect to the second host, on loopback.
  const response = await client.open(name, commit, 'model.safetensors', 0);
  expect(await response.text()).toBe('weights');
  const basic = `Basic ${Buffer.from('keeper:lamp').toString('base64')}`;
  expect(proxy.requests).toHaveLength(3);
  for (const request of proxy.requests)
    expect(request).toMatch(new RegExp(`^GET http://hub.example/.* ${basic}$`));
});

test('a data set comes through the proxy', async () => {
  const { url } = await startDataServer();
  const proxy = await toyProxy(portOf(url));
  vi.stubEnv('http_proxy', `127.0.0.1:${proxy.port}`);
  const path = join(temporaryFolder(), 'lanterns.csv');
  await downloadData('lanterns', webSource('http://data.example'), path);
  expect(readFileSync(path, 'utf8')).toBe(lanterns);
  expect(proxy.requests).toEqual(['GET http://data.example/lanterns.csv']);
});

const reach = (
  endpoint: string,
  path = 'models',
  body: object | null = null,
  { timeoutSeconds = 5, signal }: { timeoutSeconds?: number; signal?: AbortSignal } = {},
) => send(connect({ endpoint, apiKeyEnv: null, timeoutSeconds }, process.env), path, body, signal);

test('a model server is asked through the proxy, one on this machine never', async () => {
  let latencyMs = 0;
  const server = await toyServer({
    ...{ make: 'vllm', answer: () => 'Hello there.' },
    get latencyMs() {
      return latencyMs;
    },
  });
  onTestFinished(() => server.close());
  const proxy = await toyProxy(portOf(server.endpoint));
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy.port}`);
  expect(await reach('http://gpu.example/v1')).toMatchObject({ status: 200 });
  const body = { model: 'toy', messages: [{ role: 'user', content: 'Hello?' }], max_tokens: 9 };
  const answer = await reach('http://gpu.example/v1', 'chat/completions', body);
  expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('Hello there.') });
  latencyMs = 60_000;
  const late = await reach('http://gpu.example/v1', 'chat/completions', body, { timeoutSeconds: 0.05 });
  expect(late).toMatchObject({ busy: true, error: { message: 'no answer within 0.05 s' } });
  expect(await reach(server.endpoint)).toMatchObject({ status: 200 });
  // Told by their address: the request that was given up may come to the proxy later than its time.
  expect(proxy.requests.length).toBeGreaterThanOrEqual(2);
  for (const request of proxy.requests) expect(request).toMatch(/^(GET|POST) http:\/\/gpu\.example\/v1\//);
});

test('of many requests nothing stays with the signal that ends them all', async () => {
  const proxy = await toyProxy(null);
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy.port}`);
  const { signal } = new AbortController();
  for (let asked = 0; asked < 5; asked++)
    expect(await reach('http://gpu.example/v1', 'models', null, { signal })).toMatchObject({ status: 403 });
  // Where Node files what hangs on a signal: its listeners, and signals made of it.
  const kept = Object.getOwnPropertySymbols(signal).map(
    (name) => (signal as unknown as Record<symbol, { size?: number } | undefined>)[name]?.size ?? 0,
  );
  expect(kept.reduce((sum, size) => sum + size, 0)).toBe(0);
});

test('https goes through a tunnel, and a proxy that refuses it is told of', async () => {
  const proxy = await toyProxy(null);
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${proxy.port}`);
  const refused = await reach('https://gpu.example/v1');
  expect(proxy.requests).toEqual(['CONNECT gpu.example:443']);
  expect(refused).toMatchObject({
    again: true,
    error: { code: 'network', message: expect.stringContaining('403') },
  });
  vi.stubEnv('HF_ENDPOINT', 'https://hub.example');
  const client = await createHubClient();
  const error = await auditErrorOf(() => client.commitOf(parseHubName(`hf:${repository}`)!));
  expect(error).toMatchObject({ code: 'network', message: expect.stringMatching(/proxy.*403/) });
});

test('an address that means this machine is not asked through a proxy', () => {
  vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9');
  for (const host of ['localhost', '127.0.0.2', '[::1]', '0.0.0.0', '[::]'])
    expect(isProxied(`http://${host}:8000/v1`), host).toBe(false);
  expect(isProxied('http://gpu.example:8000/v1')).toBe(true);
});

test('NO_PROXY spares hosts', async () => {
  const proxy = await toyProxy(null);
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy.port}`);
  for (const spared of ['*', 'other.net, .example', 'gpu.example:80']) {
    vi.stubEnv('NO_PROXY', spared);
    expect(await reach('http://gpu.example/v1'), spared).toMatchObject({ error: { code: 'network' } });
  }
  expect(proxy.requests).toEqual([]);
  vi.stubEnv('NO_PROXY', 'gpu.example:81');
  expect(await reach('http://gpu.example/v1')).toMatchObject({ status: 403 });
});

test('what is no address of a proxy is refused, and a proxy that is away is told of, without its password', async () => {
  vi.stubEnv('HTTPS_PROXY', 'http://keeper:lamp@[nowhere');
  const error = await auditErrorOf(() => reach('https://gpu.example/v1'));
  expect(error).toMatchObject({ code: 'config', message: 'HTTPS_PROXY is not an address' });
  vi.stubEnv('HTTPS_PROXY', 'http://keeper:lamp@127.0.0.1:9');
  const away = await reach('https://gpu.example/v1');
  expect(away).toMatchObject({
    away: true,
    error: { message: expect.stringMatching(/proxy.*ECONNREFUSED/) },
  });
  expect(JSON.stringify([error, away, error.hint, (away as { error: Error }).error.message])).not.toContain(
    'lamp',
  );
});
