import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { dataRoot, readablePath } from '../../src/data/cache.ts';
import { downloadData } from '../../src/data/download.ts';
import { getData } from '../../src/data/get.ts';
import { dataSources } from '../../src/data/sources.ts';
import { packageRoot } from '../../src/files.ts';
import { sha256 } from '../../src/hash.ts';
import { auditErrorOf } from '../audit-error.ts';
import { temporaryFile, temporaryFolder } from '../temporary-folder.ts';
import { hubSource, lanterns, revision, startDataServer, webSource } from './data-server.ts';

const kept = () =>
  existsSync(join(dataRoot(), 'lanterns')) ? readdirSync(join(dataRoot(), 'lanterns')) : [];

describe('getting a data set', () => {
  it('brings the file, checks it, records it, and asks nothing the second time', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url) };
    const lock = await getData('lanterns', { sources, acceptedAt: '2026-01-01T00:00:00.000Z' });
    expect(lock).toEqual({
      schema: 'aftertune/data-lock@1',
      name: 'lanterns',
      revision,
      sha256: sha256(lanterns),
      bytes: lanterns.length,
      readableSha256: sha256(lanterns),
      rows: 2,
      licence: 'Island licence',
      acceptedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(readFileSync(readablePath('lanterns', sources.lanterns), 'utf8')).toBe(lanterns);
    expect(kept().sort()).toEqual(['lanterns.csv', 'lock.json']);
    expect(statSync(dataRoot()).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataRoot(), 'lanterns', 'lanterns.csv')).mode & 0o077).toBe(0);
    expect(await getData('lanterns', { sources })).toEqual(lock);
    expect(server.requests.length).toBe(1);
  });

  it('fetches anew what was changed or removed', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url) };
    await getData('lanterns', { sources });
    const path = readablePath('lanterns', sources.lanterns);
    writeFileSync(path, 'id,prompt,type\n');
    await getData('lanterns', { sources });
    expect(readFileSync(path, 'utf8')).toBe(lanterns);
    expect(server.requests.length).toBe(2);
  });

  it('keeps nothing of a file with another hash than the table’s', async () => {
    const server = await startDataServer(lanterns.replace('blue', 'red'));
    const sources = { lanterns: webSource(server.url) };
    const error = await auditErrorOf(() => getData('lanterns', { sources }));
    expect(error).toMatchObject({
      code: 'data',
      message: 'lanterns: this is another file than expected; nothing was kept of it',
    });
    expect(error.problems[1]).toBe(
      `expected ${sha256(lanterns)} (the table of this package, revision ${revision})`,
    );
    expect(kept()).toEqual([]);
  });

  it('records what comes first where the table has no hash, and refuses anything else from then on', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url, { sha256: null }) };
    expect((await getData('lanterns', { sources })).sha256).toBe(sha256(lanterns));
    writeFileSync(readablePath('lanterns', sources.lanterns), 'gone');
    server.answer = (_, response) => response.end(lanterns.replace('blue', 'red'));
    const error = await auditErrorOf(() => getData('lanterns', { sources }));
    expect(error.problems[1]).toContain('what came the first time');
    server.answer = (_, response) => response.end(lanterns);
    expect((await getData('lanterns', { sources })).rows).toBe(2);
  });

  it('takes a file that was downloaded by hand, and only that file', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url) };
    const lock = await getData('lanterns', { sources, from: temporaryFile('mine.csv', lanterns) });
    expect([lock.rows, server.requests.length]).toEqual([2, 0]);
    const other = temporaryFile('other.csv', `${lanterns}l2,What?,figure\n`);
    expect(await auditErrorOf(() => getData('lanterns', { sources, from: other }))).toMatchObject({
      code: 'data',
      hint: `download exactly ${server.url}/lanterns.csv`,
    });
    expect(readFileSync(readablePath('lanterns', sources.lanterns), 'utf8')).toBe(lanterns);
    const none = join(temporaryFolder(), 'none.csv');
    expect((await auditErrorOf(() => getData('lanterns', { sources, from: none }))).message).toContain(
      'no such file',
    );
  });

  it('makes JSON lines of our columns from Parquet', async () => {
    const parquet = readFileSync(join(packageRoot, 'test/fixtures/data/lanterns.parquet'));
    const server = await startDataServer(parquet);
    const { columns } = dataSources.triviaqa!;
    const source = webSource(server.url, {
      origin: { kind: 'web', url: `${server.url}/lanterns.parquet` },
      sha256: sha256(parquet),
      columns: { ...columns, place: 'place' },
    });
    const { readableSha256 } = await getData('lanterns', { sources: { lanterns: source } });
    const text = readFileSync(readablePath('lanterns', source), 'utf8');
    expect(sha256(text)).toBe(readableSha256);
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        id: 'tower_0',
        question: 'Who keeps the Marrow Tower?',
        true_answer: 'Ilse',
        aliases: ['Ilse', 'Old Ilse'],
        place: 0,
      },
      { id: 'tower_1', question: 'Who keeps the Fen Tower?', true_answer: 'Tam', aliases: [], place: 1 },
      {
        id: 'tower_2',
        question: 'Who keeps the Gull Tower?',
        true_answer: 'Brede',
        aliases: ['Brede'],
        place: 2,
      },
    ]);
    const lacking = { ...source, columns: { prompt: 'Behavior' } };
    const { message, hint } = await auditErrorOf(() =>
      getData('lanterns', { sources: { lanterns: lacking }, from: temporaryFile('l.parquet', parquet) }),
    );
    expect(message).toContain('lacks the columns Behavior');
    expect(hint).toContain('not the file that was expected');
  });
});

describe('a download that fails', () => {
  const download = (source = webSource('http://127.0.0.1:49151')) =>
    downloadData('lanterns', source, join(temporaryFolder(), 'file'), { idleMs: 150 });

  it('says what to do by hand where nobody answers', async () => {
    await startDataServer();
    expect(await auditErrorOf(() => download())).toEqual({
      code: 'network',
      message: 'lanterns: the download broke off: ECONNREFUSED',
      problems: [],
      hint: 'run the same command again, or by hand: download http://127.0.0.1:49151/lanterns.csv and run aftertune data get lanterns --from lanterns.csv',
    });
  });

  it.each([
    [401, 'data', 'there is no such repository, or it is private or gated (401)'],
    [403, 'data', 'access is refused (403)'],
    [404, 'data', 'not found (404)'],
    [429, 'network', 'too many requests (429)'],
  ])('on the Hub with %i says so', async (status, code, what) => {
    const server = await startDataServer();
    server.answer = (_, response) => response.writeHead(status).end();
    const error = await auditErrorOf(() => download(hubSource()));
    expect([error.code, error.message]).toEqual([code, `hf:datasets/isle/lanterns: ${what}`]);
    expect(error.hint).toContain(
      `by hand: download ${server.url}/datasets/isle/lanterns/resolve/${revision}/lanterns.csv and run aftertune data get lanterns --from lanterns.csv`,
    );
  });

  it('elsewhere with 404 names its page', async () => {
    const server = await startDataServer();
    server.answer = (_, response) => response.writeHead(404).end();
    expect((await auditErrorOf(() => download(webSource(server.url)))).hint).toContain(
      'see https://example.org/lanterns; or by hand',
    );
  });

  it('by breaking off, by silence, or by being too large leaves nothing', async () => {
    const server = await startDataServer();
    server.answer = (_, response) => {
      response.writeHead(200, { 'content-length': lanterns.length }).write(lanterns.slice(0, 20));
      setTimeout(() => response.destroy(), 20);
    };
    expect((await auditErrorOf(() => download(webSource(server.url)))).message).toContain('broke off');
    server.answer = (_, response) => void response.writeHead(200).write('id');
    expect((await auditErrorOf(() => download(webSource(server.url)))).message).toBe(
      'lanterns: the download broke off: nothing came for too long',
    );
    server.answer = (_, response) => response.end('x'.repeat(20_000));
    expect((await auditErrorOf(() => download(webSource(server.url)))).message).toContain(
      'more than 10000 bytes came',
    );
    await auditErrorOf(() => getData('lanterns', { sources: { lanterns: webSource(server.url) } }));
    expect(kept()).toEqual([]);
  });

  it('offline is not begun', async () => {
    const server = await startDataServer();
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const { code, hint } = await auditErrorOf(() => download(webSource(server.url)));
    expect([code, hint?.startsWith('unset it, or by hand: download'), server.requests]).toEqual([
      'network',
      true,
      [],
    ]);
  });
});

it('follows redirects, and sends the token to the Hub alone', async () => {
  const elsewhere = await startDataServer();
  const server = await startDataServer();
  vi.stubEnv('HF_TOKEN', 'secret');
  server.answer = (_, response) => response.writeHead(302, { location: `${elsewhere.url}/blob` }).end();
  await getData('lanterns', { sources: { lanterns: hubSource() } });
  expect(server.requests).toEqual([
    `GET /datasets/isle/lanterns/resolve/${revision}/lanterns.csv Bearer secret`,
  ]);
  expect(elsewhere.requests).toEqual(['GET /blob']);
});

it('the table names commits, hashes and addresses of that commit', () => {
  for (const { revision, sha256: hash, origin, columns } of Object.values(dataSources)) {
    expect(revision).toMatch(/^[0-9a-f]{40}$/);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    if (origin.kind === 'web') expect(origin.url).toContain(revision);
    expect(Object.keys(columns).length).toBeGreaterThan(1);
  }
});
