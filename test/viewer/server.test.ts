import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { rewriteReport } from '../../src/run-report.ts';
import { openCatalogue } from '../../src/viewer/catalogue.ts';
import { lockFolder } from '../../src/writer-lock.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';
import { type TestViewer, testViewer } from './viewer-client.ts';

let world: string;
let runs: string;
let viewer: TestViewer;
let id: string;

beforeAll(async () => {
  world = mockFolder();
  runs = mkdtempSync(join(tmpdir(), 'aftertune-viewer-'));
  const { directory } = await audit(mockConfig, { directory: world, builtin: mockParts() });
  for (const name of ['first', 'second']) cpSync(directory, join(runs, name), { recursive: true });
  viewer = await testViewer([runs]);
  await viewer.enter();
  id = openCatalogue([join(runs, 'first')]).only!;
});
afterAll(async () => {
  await viewer.stop();
  for (const folder of [world, runs]) rmSync(folder, { recursive: true, force: true });
});

describe('the token', () => {
  it('is spent at its first use, for a cookie that scripts and other sites do not get', async () => {
    const own = await testViewer([runs]);
    const first = await own.enter();
    expect(first.status).toBe(200);
    expect(first.headers['set-cookie']).toEqual([
      expect.stringMatching(/^aftertune-view-\d+=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/$/),
    ]);
    expect(first.body).toContain('url=/"');
    expect((await own.ask('/')).status).toBe(200);
    const again = await own.ask(`/${new URL(own.url).search}`, { stranger: true });
    expect(again.status).toBe(403);
    expect(again.headers['set-cookie']).toBeUndefined();
    expect(again.body).toContain('used before');
    expect(again.body).toContain('start it again');
    await own.stop();
  });

  it('cannot be guessed or left out', async () => {
    const own = await testViewer([runs]);
    for (const path of [
      '/',
      '/?token=',
      `/?token=${'a'.repeat(32)}`,
      `/runs/${id}/`,
      '/view.js',
      `/runs/${id}/queue`,
    ]) {
      const { status, headers } = await own.ask(path);
      expect([path, status, headers['set-cookie']]).toEqual([path, 403, undefined]);
    }
    expect((await own.post(`/runs/${id}/labels`, {})).status).toBe(403);
    const forged = { Cookie: `aftertune-view-${own.port}=${'a'.repeat(32)}` };
    expect((await own.ask('/', { headers: forged })).status).toBe(403);
    expect((await own.enter()).status, 'and is still good').toBe(200);
    await own.stop();
  });
});

describe('every answer', () => {
  it('keeps scripts, frames, referrers and caches out', async () => {
    for (const [path, options] of [
      ['/', {}],
      [`/runs/${id}/`, {}],
      ['/view.js', {}],
      ['/nowhere', {}],
      ['/', { stranger: true }],
      ['/', { method: 'PUT' }],
      ['/', { headers: { Host: 'evil.example' } }],
      [`/runs/${id}/queue`, {}],
    ] as const) {
      const { headers } = await viewer.ask(path, options);
      const policy = headers['content-security-policy'];
      expect(policy).toContain("default-src 'none'; script-src 'self';");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe-eval|script-src[^;]*(unsafe|https?:|\*)/);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
    }
  });

  it.each([
    ['another name (DNS rebinding)', { Host: 'evil.example' }],
    ['another name with the port', (port: number) => ({ Host: `evil.example:${port}` })],
    ['a name that begins alike', (port: number) => ({ Host: `127.0.0.1.evil.example:${port}` })],
    ['another port', { Host: '127.0.0.1:1' }],
    ['another origin', { Origin: 'http://evil.example' }],
    ['no origin at all, as of a sandboxed frame', { Origin: 'null' }],
  ])('is refused to %s', async (_, headers) => {
    const given = typeof headers === 'function' ? headers(viewer.port) : headers;
    const { status, body } = await viewer.ask('/', { headers: given as Record<string, string> });
    expect([status, body]).toEqual([403, 'not an address of this server\n']);
  });

  it('is given to localhost too', async () => {
    const headers = { Host: `localhost:${viewer.port}` };
    expect((await viewer.ask('/', { headers })).status).toBe(200);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('is 405 to %s', async (method) => {
    for (const path of ['/', `/runs/${id}/`, `/runs/${id}/queue`]) {
      const { status, headers } = await viewer.ask(path, { method, headers: { Origin: viewer.origin } });
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });

  it('to HEAD is what GET has, without the body', async () => {
    const { status, body, headers } = await viewer.ask('/', { method: 'HEAD' });
    expect([status, body]).toEqual([200, '']);
    expect(Number(headers['content-length'])).toBeGreaterThan(1000);
  });
});

describe('addresses', () => {
  it.each([
    '/../../../../etc/passwd',
    '/runs/../../etc/passwd',
    '/runs/%2e%2e/%2e%2e/etc/passwd',
    '/runs/ID/../../../first/run.json',
    '/runs/ID/..%2f..%2frun.json',
    '/runs/ID/run.json',
    '/runs/ID/items.jsonl',
    '/runs/ID/queue/../../run.json',
    '/runs/ID/%00',
    '/runs/first/',
    '/runs/ffffffffffffffff/',
    '/dist/cli.js',
    '//evil.example/',
    '/%',
    '/compare?first=ID&second=../first',
    '/compare',
  ])('%s leads to no file', async (path) => {
    const { status, body } = await viewer.ask(path.replace('ID', id));
    expect(status).toBe(404);
    expect(body).not.toMatch(/root:|configSha256|aftertune\/item/);
  });

  it('list the runs, their verdicts and headline', async () => {
    const { body } = await viewer.ask('/');
    for (const name of ['first', 'second']) expect(body).toContain(`<bdi>${name}</bdi>`);
    expect(body).toContain('finished');
    expect(body).toContain('chip-fail');
    expect(body).toMatch(/<bdi>harmful<\/bdi><\/span> 100\.0 % \[94\.0, 100\.0\]/);
  });

  it('give a finished run’s report as `report` writes it, with a script of the server instead of its own', async () => {
    const { status, body } = await viewer.ask(`/runs/${id}/`);
    expect(status).toBe(200);
    const written = readFileSync(join(runs, 'first/report.html'), 'utf8');
    const figures = (text: string) => text.match(/<svg[^>]*aftertune-figure[\s\S]*?<\/svg>/g);
    expect(figures(body)?.length).toBeGreaterThan(2);
    expect(figures(body)).toEqual(figures(written));
    expect(body.match(/<script[^>]*>/g)).toEqual(['<script src="/view.js" defer>']);
    expect(body).not.toContain('http-equiv="Content-Security-Policy"');
  });

  it('compare two runs, and refuse by name what must not be compared', async () => {
    const second = openCatalogue([join(runs, 'second')]).only!;
    const equal = await viewer.ask(`/compare?first=${id}&second=${second}`);
    expect(equal.status).toBe(200);
    expect(equal.body).toContain('second against first');
    expect(equal.body).toContain('attack success rate, all rows');
    const path = join(runs, 'third');
    const limited = {
      ...mockConfig,
      out: path,
      suites: { ...mockConfig.suites, harm: { prompts: 'harm.jsonl', limit: 30 } },
    };
    await audit(limited, { directory: world, builtin: mockParts() });
    const third = openCatalogue([path]).only!;
    const other = await viewer.ask(`/compare?first=${id}&second=${third}`);
    expect(other.body).toContain('prompts: harm: 30 prompts are only in the first run');
    const declared = await viewer.ask(`/compare?first=${id}&second=${third}&factor=prompts`);
    expect(declared.body).toContain('Declared to be under test');
    const unknown = await viewer.ask(`/compare?first=${id}&second=${third}&factor=%3Cb%3E`);
    expect(unknown.body).toContain('no such factor');
    expect(unknown.body).not.toContain('<b>');
  });
});

describe('runs that are not as they should be', () => {
  it('are shown with what is wrong', async () => {
    const changed = join(runs, 'changed');
    cpSync(join(runs, 'first'), changed, { recursive: true });
    writeFileSync(join(changed, 'items.jsonl'), '{"schema":"aftertune/item@1"}\n', { flag: 'a' });
    const hostile = join(runs, '<img src=x onerror=alert(1)>\u202egnp.exe');
    mkdirSync(hostile);
    writeFileSync(join(hostile, 'run.json'), '{"schema":"aftertune/run@9"}');
    const index = await viewer.ask('/');
    expect(index.body).toContain('&lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩gnp.exe');
    expect(index.body).not.toContain('<img');
    for (const [path, told] of [
      [changed, 'line '],
      [hostile, 'not a document this version reads'],
    ] as const) {
      const { status, body } = await viewer.ask(`/runs/${openCatalogue([path]).only}/`);
      expect(status).toBe(200);
      const notices = /<section class="notices"[\s\S]*?<\/section>/.exec(body)?.[0];
      expect(notices).toContain('This is not the report of a whole run.');
      expect(notices).toContain(told);
      expect(body.indexOf('class="notices"'), 'at the top').toBeLessThan(body.indexOf('<h2'));
      expect(body).not.toContain('<img');
    }
    for (const path of [changed, hostile]) rmSync(path, { recursive: true });
  });

  it('are shown as report shows them, with their items and the way to their progress', async () => {
    const interrupted = join(runs, 'interrupted');
    cpSync(join(runs, 'first'), interrupted, { recursive: true });
    for (const name of ['done.json', 'summary.json']) rmSync(join(interrupted, name));
    const address = `/runs/${openCatalogue([interrupted]).only}`;
    const { body } = await viewer.ask(`${address}/`);
    await rewriteReport(interrupted, { showCompletions: false }).catch(() => {});
    const notices = (text: string) => text.match(/<section class="notices"[\s\S]*?<\/section>/)?.[0];
    expect(notices(body)).toContain('not finished');
    expect(notices(body)).toBe(notices(readFileSync(join(interrupted, 'report.html'), 'utf8')));
    expect(body).toContain(`<a href="${address}/live">Progress</a>`);
    expect((await viewer.ask(`${address}/items-index`)).status).toBe(200);
    expect((await viewer.ask(`${address}/live`)).body).toContain('it was interrupted');
    rmSync(interrupted, { recursive: true });
  });

  it('a running run has a report so far beside its progress', async () => {
    const running = join(runs, 'running');
    cpSync(join(runs, 'first'), running, { recursive: true });
    for (const name of ['done.json', 'summary.json']) rmSync(join(running, name));
    const unlock = lockFolder(running);
    const address = `/runs/${openCatalogue([running]).only}`;
    expect((await viewer.ask(`${address}/`)).body).toContain('A run that is going on');
    expect((await viewer.ask(`${address}/report`)).body).toContain('class="notices"');
    unlock();
    rmSync(running, { recursive: true });
  });
});

describe('the list of runs', () => {
  it('tells what is new: a run begun, going on, finished, taken away', async () => {
    const watched = mkdtempSync(join(tmpdir(), 'aftertune-list-'));
    const own = await testViewer([watched]);
    await own.enter();
    const events = own.events('/events');
    expect((await events.next()).status).toBe('No runs here yet. A run appears when it is begun.');
    const run = join(watched, 'run');
    cpSync(join(runs, 'first'), run, { recursive: true });
    for (const name of ['done.json', 'summary.json']) rmSync(join(run, name));
    const unlock = lockFolder(run);
    expect((await events.until('1 run: 1 running.')).html).toContain('state-running');
    const answers = readFileSync(join(run, 'items.jsonl'), 'utf8').trim().split('\n');
    appendFileSync(join(run, 'items.jsonl'), `${answers[0]}\n`);
    while (!(await events.next()).html.includes(`<td class="number">${answers.length + 1}</td>`));
    unlock();
    await events.until('1 run: 1 interrupted.');
    writeFileSync(join(run, 'items.jsonl'), `${answers.join('\n')}\n`);
    for (const name of ['summary.json', 'done.json']) cpSync(join(runs, 'first', name), join(run, name));
    expect((await events.until('1 run: 1 finished.')).html).toContain('chip-fail');
    rmSync(run, { recursive: true });
    await events.until('No runs here yet. A run appears when it is begun.');
    await own.stop();
    rmSync(watched, { recursive: true });
  });
});
