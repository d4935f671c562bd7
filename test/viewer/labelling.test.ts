import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { adjudicate } from '../../src/commands/adjudicate.ts';
import { humanRecord } from '../../src/human-record.ts';
import { openCatalogue } from '../../src/viewer/catalogue.ts';
import { openLabelling } from '../../src/viewer/labelling.ts';
import { lockFolder } from '../../src/writer-lock.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';
import { snapshot, type TestViewer, testViewer } from './viewer-client.ts';

interface Ticket {
  readonly ticket: string;
  readonly label: string | null;
  readonly characters: number;
}

let world: string;
let pristine: string;
let folder: string;
let run: string;
let viewer: TestViewer;
let base: string;

beforeAll(async () => {
  world = mockFolder();
  ({ directory: pristine } = await audit(mockConfig, { directory: world, builtin: mockParts() }));
  folder = mkdtempSync(join(tmpdir(), 'aftertune-labels-'));
  run = join(folder, 'run');
  cpSync(pristine, run, { recursive: true });
  viewer = await testViewer([run]);
  await viewer.enter();
  base = `/runs/${openCatalogue([run]).only}`;
});
afterAll(async () => {
  await viewer.stop();
  for (const path of [world, folder]) rmSync(path, { recursive: true, force: true });
});

const queue = async () => JSON.parse((await viewer.ask(`${base}/queue`)).body) as Ticket[];
const show = async (ticket: string) => {
  const { body, headers } = await viewer.ask(`${base}/queue/${ticket}`);
  expect(headers['cache-control']).toBe('no-store');
  return JSON.parse(body) as { prompt: string; completion: string };
};
const lines = () => readFileSync(join(run, 'human.jsonl'), 'utf8').split('\n').filter(Boolean);

describe('the labelling endpoint', () => {
  it('lets nothing be changed by looking: every page was opened, and the run folder is as it was', async () => {
    const before = snapshot(run);
    for (const path of ['/', `${base}/`, `${base}/label`, `${base}/queue`]) {
      expect((await viewer.ask(path)).status).toBe(200);
    }
    const [first] = await queue();
    await show(first!.ticket);
    expect(snapshot(run)).toEqual(before);
  });

  it('tells neither arm nor judge of what is to be labelled', async () => {
    const page = await viewer.ask(`${base}/label`);
    const text = (await viewer.ask(`${base}/queue`)).body;
    const shown = await viewer.ask(`${base}/queue/${(await queue())[0]!.ticket}`);
    for (const word of ['harmful', 'control', 'refusal', 'probability']) {
      expect(text + shown.body).not.toContain(word);
    }
    expect(page.body).not.toContain('lantern');
    expect(text).not.toContain('lantern');
  });

  it.each([
    ['no origin', 403, {}, '{}'],
    ['another origin', 403, { Origin: 'http://evil.example', 'Content-Type': 'application/json' }, '{}'],
    ['a form', 415, { 'Content-Type': 'application/x-www-form-urlencoded' }, 'ticket=1'],
    ['plain text, which needs no preflight', 415, { 'Content-Type': 'text/plain' }, '{}'],
    ['no JSON', 400, {}, '{'],
    ['another document', 400, {}, '{"ticket":1}'],
    ['an unknown label', 400, {}, '{"ticket":"a","label":"maybe"}'],
    ['more than it knows', 400, {}, '{"ticket":"a","label":"safe","arm":"base"}'],
    ['too long a body', 413, {}, ` ${'{'.repeat(5000)}`],
    ['a far too long body', 413, {}, ' '.repeat(300_000)],
    ['an unknown ticket', 404, {}, '{"ticket":"../../human","label":"safe"}'],
  ])('refuses %s', async (name, status, headers, body) => {
    const own = name === 'no origin' ? {} : { Origin: viewer.origin, 'Content-Type': 'application/json' };
    const reply = await viewer.ask(`${base}/labels`, {
      method: 'POST',
      headers: { ...own, ...headers },
      body,
    });
    expect(reply.status).toBe(status);
    expect(existsSync(join(run, 'human.jsonl'))).toBe(false);
  });

  it('takes no label of an answer that was not shown', async () => {
    const { ticket } = (await queue())[3]!;
    const reply = await viewer.post(`${base}/labels`, { ticket, label: 'safe' });
    expect(reply.status).toBe(409);
    expect(reply.body).toContain('after it was shown');
  });
});

describe('labels', () => {
  it('are written as adjudicate writes them, and nothing else is', async () => {
    const before = snapshot(run);
    const tickets = await queue();
    expect(tickets.length).toBeGreaterThan(50);
    for (const [at, { ticket }] of tickets.entries()) {
      const { completion } = await show(ticket);
      const label = at === 2 ? 'skip' : completion.includes('glows') ? 'unsafe' : 'safe';
      expect((await viewer.post(`${base}/labels`, { ticket, label })).status).toBe(200);
    }
    const after = snapshot(run);
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual([
      'adjudication.json',
      'human.jsonl',
    ]);
    // The same labels by the queue of the command line, in another copy.
    const other = join(folder, 'other');
    cpSync(pristine, other, { recursive: true });
    const file = join(folder, 'queue.csv');
    await adjudicate(other, { export: file }, quietContext);
    const [header, ...rows] = readFileSync(file, 'utf8').trim().split('\r\n');
    const filled = rows.map(
      (row, at) => `${row}${at === 2 ? 'skip' : row.includes('glows') ? 'unsafe' : 'safe'}`,
    );
    writeFileSync(file, [header, ...filled].join('\r\n'));
    await adjudicate(other, { import: file, labeller: 'tester' }, quietContext);
    for (const name of ['human.jsonl', 'adjudication.json']) {
      expect(readFileSync(join(run, name), 'utf8')).toBe(readFileSync(join(other, name), 'utf8'));
    }
  });

  it('are read back by adjudicate', async () => {
    const { document } = await adjudicate(run, {}, quietContext);
    const { sample } = document as { sample: { drawn: number; open: number } };
    expect(sample.open).toBe(0);
    expect(sample.drawn).toBe(lines().length);
  });

  it('are taken back, and changed', async () => {
    const [first] = await queue();
    expect(first!.label).not.toBeNull();
    const written = lines().length;
    await viewer.post(`${base}/labels`, { ticket: first!.ticket, label: null });
    expect(lines()).toHaveLength(written - 1);
    expect((await queue())[0]!.label).toBeNull();
    await viewer.post(`${base}/labels`, { ticket: first!.ticket, label: 'skip' });
    expect((await queue())[0]!.label).toBe('skip');
  });

  it('wait while somebody else writes in the folder', async () => {
    const before = lines();
    const unlock = lockFolder(run);
    const [first] = await queue();
    const reply = await viewer.post(`${base}/labels`, { ticket: first!.ticket, label: 'safe' });
    unlock();
    expect(reply.status).toBe(409);
    expect(JSON.parse(reply.body)).toEqual({ error: expect.stringContaining('is writing there') });
    expect(lines()).toEqual(before);
  });

  it('of two viewers that label the same answers at the same time are all kept', async () => {
    const shared = join(folder, 'shared');
    cpSync(pristine, shared, { recursive: true });
    const people = ['ada', 'grace'];
    const ends = people.map(async (name) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', labelEverything(shared, name)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return ((await once(child, 'exit')) as [number])[0];
    });
    expect(await Promise.all(ends)).toEqual([0, 0]);
    const kept = readFileSync(join(shared, 'human.jsonl'), 'utf8').trim().split('\n');
    const records = kept.map((line) => humanRecord.parse(JSON.parse(line)));
    const drawn = (await openLabelling(shared, 'nobody')).queue().length;
    for (const name of people) {
      const own = records.filter(({ labeller }) => labeller === name);
      expect(own).toHaveLength(drawn);
      expect(own.every(({ label }) => label === (name === 'ada' ? 'safe' : 'unsafe'))).toBe(true);
    }
    expect(records).toHaveLength(2 * drawn);
    const { document } = await adjudicate(shared, {}, quietContext);
    expect((document as { sample: { open: number } }).sample.open).toBe(0);
  });
});

/** A program that labels a whole sample as one person, from a process of its own. */
const labelEverything = (run: string, name: string) => `
  import { openLabelling } from ${JSON.stringify(new URL('../../dist/viewer/labelling.js', import.meta.url).href)};
  const labelling = await openLabelling(${JSON.stringify(run)}, ${JSON.stringify(name)});
  for (const { ticket } of labelling.queue()) {
    labelling.text(ticket);
    // Nobody is quicker.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await labelling.label(ticket, ${JSON.stringify(name === 'ada' ? 'safe' : 'unsafe')});
  }`;
