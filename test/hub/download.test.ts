import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { sha256 } from '../../src/hash.ts';
import { fetchFromHub } from '../../src/hub/fetch.ts';
import { auditErrorOf } from '../audit-error.ts';
import { commit, gitSha1, type HubServer, repository, startHub } from './hub-server.ts';

/** What can go wrong on the way: a file in the cache is the one that the Hub lists, or not there. */

const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const writeSync = (descriptor: number, data: Uint8Array, at: number, length: number, position: number) => {
    if (disk.room <= 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    const written = fs.writeSync(descriptor, data, at, Math.min(length, disk.room), position);
    disk.room -= written;
    return written;
  };
  return { ...fs, writeSync };
});
beforeEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
});

const gguf = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 7919) % 251));
const blob = sha256(gguf);
const name = `hf:${repository}:lantern.gguf`;
const start = () => startHub({ 'lantern.gguf': gguf });
const blobs = (hub: HubServer) => join(hub.cache, 'models--isle--lantern-1b/blobs');
const fetchIt = (signal?: AbortSignal) => fetchFromHub(new Map([[name, 'model' as const]]), { signal });
const isBody = ({ url }: IncomingMessage) => url === `/${blob}`;
const ranges = (hub: HubServer) =>
  hub.requests.filter((line) => line.includes('cdn')).map((line) => line.split(' ')[3] ?? 'all');
const expectWhole = (hub: HubServer) => {
  expect(readFileSync(join(blobs(hub), blob)).equals(gguf)).toBe(true);
  expect(readdirSync(blobs(hub))).toEqual([blob]);
};
/** Calls back once so many bytes of the file have been kept. */
function whenKept(hub: HubServer, bytes: number, then: () => void): void {
  const sizes = () => readdirSync(blobs(hub)).map((file) => statSync(join(blobs(hub), file)).size);
  const timer = setInterval(() => {
    if (Math.max(...sizes()) < bytes) return;
    clearInterval(timer);
    then();
  }, 5);
}
/** Sends some bytes of the file from where it was asked for, then breaks off. */
function cut(hub: HubServer, { headers }: IncomingMessage, response: ServerResponse, bytes: number): void {
  const from = Number(/\d+/.exec(headers.range ?? '')?.[0] ?? 0);
  const length = { 'content-length': String(gguf.length - from) };
  const range = { 'content-range': `bytes ${from}-${gguf.length - 1}/${gguf.length}` };
  response.writeHead(headers.range ? 206 : 200, { ...length, ...(headers.range && range) });
  response.write(gguf.subarray(from, from + bytes));
  whenKept(hub, from + bytes, () => response.destroy());
}

test('all parts of a split file are fetched, whichever is named', async () => {
  const parts = ['island-00001-of-00002.gguf', 'island-00002-of-00002.gguf'];
  const hub = await startHub(Object.fromEntries(parts.map((part, i) => [part, gguf.subarray(i)])));
  const split = `hf:${repository}:${parts[0]}`;
  const wanted = new Map([[split, 'model' as const]]);
  await fetchFromHub(wanted, {});
  expect(readdirSync(blobs(hub))).toHaveLength(2);
  const before = hub.requests.filter((line) => line.includes('cdn')).length;
  await fetchFromHub(wanted, {});
  expect(hub.requests.filter((line) => line.includes('cdn')).length).toBe(before);
});

describe('a transfer that breaks off', () => {
  test('goes on by itself as long as bytes come', async () => {
    const hub = await start();
    let cuts = 0;
    hub.answer = (request, response) => {
      if (!isBody(request) || cuts++ >= 4) return false;
      cut(hub, request, response, 90_000);
      return true;
    };
    await fetchIt();
    expectWhole(hub);
    expect(ranges(hub).length).toBe(5);
    expect(ranges(hub).slice(0, 2)).toEqual(['all', 'bytes=90000-']);
  });

  test('is an error when none come, and the next command goes on where it stopped', async () => {
    const hub = await start();
    hub.answer = (request, response) => {
      if (!isBody(request)) return false;
      cut(hub, request, response, request.headers.range ? 0 : 1000);
      return true;
    };
    expect(await auditErrorOf(() => fetchIt())).toMatchObject({
      code: 'network',
      message: expect.stringMatching(
        /^hf:isle\/lantern-1b@\w+:lantern\.gguf: .* after 1000 of 400000 bytes$/,
      ),
      hint: expect.stringContaining('run the same command again: what was fetched is kept'),
    });
    expect(readdirSync(blobs(hub))).toEqual([`${blob}.incomplete`]);
    hub.answer = () => false;
    hub.requests.length = 0;
    await fetchIt();
    expect(ranges(hub)).toEqual(['bytes=1000-']);
    expectWhole(hub);
  });

  test('also ends where the body is cut without a word, or the Hub ignores ranges', async () => {
    const hub = await start();
    let bodies = 0;
    hub.answer = (request, response) => {
      if (!isBody(request)) return false;
      bodies++;
      response.writeHead(200).end(gguf.subarray(0, bodies === 1 ? 5000 : undefined)); // chunked: no length given
      return true;
    };
    await fetchIt();
    expectWhole(hub);
    expect(ranges(hub)).toEqual(['all', 'bytes=5000-']);
  });

  test('is kept when the command is interrupted', async () => {
    const hub = await start();
    const controller = new AbortController();
    hub.answer = (request, response) => {
      if (!isBody(request)) return false;
      response.writeHead(200).write(gguf.subarray(0, 2000));
      whenKept(hub, 2000, () => controller.abort());
      return true;
    };
    expect((await auditErrorOf(() => fetchIt(controller.signal))).code).toBe('interrupted');
    expect(readFileSync(join(blobs(hub), `${blob}.incomplete`)).length).toBe(2000);
  });
});

describe('a half file', () => {
  test.each([['incomplete'], ['999999999-0a1b2c3d.incomplete']])(
    'that another program left as .%s is gone on with',
    async (suffix) => {
      const hub = await start();
      mkdirSync(blobs(hub), { recursive: true });
      writeFileSync(join(blobs(hub), `${blob}.${suffix}`), gguf.subarray(0, 123_456));
      await fetchIt();
      expect(ranges(hub)).toEqual(['bytes=123456-']);
      expectWhole(hub);
    },
  );

  test('of a process that is still writing is left alone', async () => {
    const hub = await start();
    mkdirSync(blobs(hub), { recursive: true });
    const living = `${blob}.${process.ppid}-0a1b2c3d.incomplete`;
    writeFileSync(join(blobs(hub), living), gguf.subarray(0, 1000));
    await fetchIt();
    expect(ranges(hub)).toEqual(['all']);
    expect(readdirSync(blobs(hub)).sort()).toEqual([blob, living]);
  });

  test('with other bytes is found out, deleted and fetched anew', async () => {
    const hub = await start();
    mkdirSync(blobs(hub), { recursive: true });
    writeFileSync(join(blobs(hub), `${blob}.incomplete`), Buffer.alloc(1000));
    expect(await auditErrorOf(() => fetchIt())).toMatchObject({
      code: 'network',
      message: expect.stringMatching(/its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}$/),
      hint: expect.stringContaining('the partial file was deleted'),
    });
    expect(readdirSync(blobs(hub))).toEqual([]);
    await fetchIt();
    expectWhole(hub);
  });

  test('longer than the whole, or a whole that was cut later, is replaced', async () => {
    const hub = await start();
    mkdirSync(blobs(hub), { recursive: true });
    writeFileSync(join(blobs(hub), `${blob}.incomplete`), Buffer.alloc(gguf.length + 5));
    writeFileSync(join(blobs(hub), blob), gguf.subarray(0, 70));
    await fetchIt();
    expectWhole(hub);
  });
});

describe('a file that is not the one that is listed', () => {
  test.each<[string, (response: ServerResponse) => void, RegExp]>([
    [
      'is longer',
      (response) => response.end(Buffer.concat([gguf, Buffer.from('!')])),
      /more than 400000 bytes$/,
    ],
    ['has other bytes', (response) => response.end(Buffer.alloc(gguf.length)), /its SHA-256 is/],
    [
      'is another part',
      (response) =>
        response.writeHead(206, { 'content-range': 'bytes 7-399999/400000' }).end(gguf.subarray(7)),
      /bytes from 0 of 400000 were asked for, bytes 7-/,
    ],
  ])('because it %s is an error and leaves nothing', async (_, body, message) => {
    const hub = await start();
    hub.answer = (request, response) => {
      if (!isBody(request)) return false;
      body(response);
      return true;
    };
    expect(await auditErrorOf(() => fetchIt())).toMatchObject({
      code: 'network',
      message: expect.stringMatching(message),
    });
    expect(readdirSync(blobs(hub))).toEqual([]);
  });

  test.each([gguf.length - 1, gguf.length + 1])('with %i bytes in the listing as well', async (size) => {
    const hub = await start();
    hub.listed = (entries) => entries.map((entry) => ({ ...entry, size }));
    expect((await auditErrorOf(() => fetchIt())).code).toBe('network');
    expect(readdirSync(blobs(hub))).toEqual([]);
  });

  test('is found out by git’s hash where that is all there is', async () => {
    const hub = await startHub({ 'lamp/adapter_config.json': '{}', 'lamp/adapter_model.safetensors': 'x' });
    hub.answer = ({ url }, response) => {
      if (!url!.includes('adapter_config')) return false;
      response.end('[]');
      return true;
    };
    const wanted = new Map([[`hf:${repository}:lamp`, 'adapter' as const]]);
    const { message } = await auditErrorOf(() => fetchFromHub(wanted));
    expect(message).toContain(
      `its git SHA-1 is ${gitSha1(Buffer.from('[]'))}, not ${gitSha1(Buffer.from('{}'))}`,
    );
  });
});

test('a full disk says what to do, and what came is kept', async () => {
  const hub = await start();
  disk.room = 150_000;
  expect(await auditErrorOf(() => fetchIt())).toMatchObject({
    code: 'disk',
    message: expect.stringContaining('no space left on the disk'),
    hint: expect.stringContaining('HF_HUB_CACHE'),
  });
  const kept = readFileSync(join(blobs(hub), `${blob}.incomplete`)).length;
  expect(kept).toBeGreaterThan(149_000); // the listing took some
  disk.room = Number.POSITIVE_INFINITY;
  await fetchIt();
  expectWhole(hub);
  expect(ranges(hub)).toEqual(['all', `bytes=${kept}-`]);
});

test('several processes that want the same file at once all get it whole', async () => {
  const hub = await start();
  hub.answer = (request, response) => {
    if (!isBody(request)) return false;
    response.writeHead(200, { 'content-length': String(gguf.length) });
    for (let at = 0; at < 8; at++)
      setTimeout(() => response.write(gguf.subarray(at * 50_000, (at + 1) * 50_000)), at * 20);
    setTimeout(() => response.end(), 160);
    return true;
  };
  const program = `import { fetchFromHub } from ${JSON.stringify(join(packageRoot, 'dist/hub/fetch.js'))};
    await fetchFromHub(new Map([[process.argv[2], 'model']]));`;
  const script = join(hub.cache, '../fetch.mjs');
  writeFileSync(script, program);
  const others = [1, 2, 3].map(
    () => new Promise((resolve) => fork(script, [name], { execArgv: [] }).on('exit', resolve)),
  );
  const all = await Promise.all([fetchIt(), fetchIt(), ...others]);
  expect(all.slice(2)).toEqual([0, 0, 0]);
  expectWhole(hub);
  expect(existsSync(join(hub.cache, 'models--isle--lantern-1b/snapshots', commit, 'lantern.gguf'))).toBe(
    true,
  );
});
