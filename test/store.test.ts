import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { ItemRecord } from '../src/record.ts';
import { openStore, readRun, verifyRun } from '../src/store.ts';
import { auditErrorOf } from './audit-error.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = () => join(temporaryFolder(), 'runs', 'one');
const locks = (directory: string) => readdirSync(directory).filter((name) => name.endsWith('.lock'));

const item: ItemRecord = {
  schema: 'aftertune/item@1',
  arm: 'base',
  suite: 'harm',
  id: 'a',
  condition: 'default',
  repeat: 0,
  batchKey: 'k',
  promptSha256: 'p',
  promptTokens: 3,
  completion: 'no',
  logProbabilities: [-0.5],
  finishReason: 'stop',
  uncertainty: null,
  uncertaintyPaper: null,
  confidence: null,
  truncatedMass: null,
  milliseconds: 1,
};

test('run.json is there at once, and the folder and its files are for the owner alone', () => {
  const directory = folder();
  const store = openStore(directory, emptyRun);
  expect(JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'))).toEqual(emptyRun);
  store.write('figures/asr.svg', '<svg/>');
  const mode = (name: string) => statSync(join(directory, name)).mode & 0o777;
  expect(['', 'figures', 'run.json', 'items.jsonl', 'verdicts.jsonl', 'figures/asr.svg'].map(mode)).toEqual([
    0o700, 0o700, 0o600, 0o600, 0o600, 0o600,
  ]);
  store.close();
  expect(locks(directory)).toEqual([]);
});

test('a finished run is hashed, verified, read back, and unfinished again while it is open', async () => {
  const directory = folder();
  const store = openStore(directory, emptyRun);
  store.items.append([item]);
  await store.stage('train', { arm: 'x' }, async () => 1);
  expect(readRun(directory).finished).toBe(false);
  await store.finish();
  store.close();
  expect(await verifyRun(directory)).toEqual([]);
  expect(readRun(directory)).toEqual({
    run: emptyRun,
    items: [item],
    verdicts: [],
    margins: [],
    summary: null,
    finished: true,
  });
  const stage = readdirSync(join(directory, 'stages'))[0];
  writeFileSync(join(directory, 'extra.txt'), 'x');
  writeFileSync(join(directory, 'items.jsonl'), '');
  rmSync(join(directory, 'stages', stage!));
  expect(await verifyRun(directory)).toEqual([
    'extra.txt: added',
    'items.jsonl: changed',
    `stages/${stage}: missing`,
  ]);
  openStore(directory, emptyRun).close();
  expect(readRun(directory).finished).toBe(false);
});

test('a stage runs once for equal inputs, whatever the order of their keys, and again for others', async () => {
  const directory = folder();
  let store = openStore(directory, emptyRun);
  let runs = 0;
  const produce = async () => ({ runs: ++runs, at: new Date(0) });
  const first = await store.stage('train', { a: 1, b: [2] }, produce);
  expect(first).toEqual({ runs: 1, at: '1970-01-01T00:00:00.000Z' });
  expect(await store.stage('train', { b: [2], a: 1 }, produce)).toEqual(first);
  store.close();
  store = openStore(directory, emptyRun);
  expect(await store.stage('train', { a: 1, b: [2] }, produce)).toEqual(first);
  expect((await store.stage('train', { a: 1, b: [3] }, produce)).runs).toBe(2);
  expect((await store.stage('train', { a: 1, b: [2] }, produce, () => false)).runs).toBe(3);
  store.close();
});

test('a stage that throws is not finished', async () => {
  const store = openStore(folder(), emptyRun);
  await expect(store.stage('train', 1, async () => Promise.reject(new Error('broke')))).rejects.toThrow(
    'broke',
  );
  expect(await store.stage('train', 1, async () => 'made')).toBe('made');
  store.close();
});

test('a finished run is verified while somebody writes a file beside it, which may be gone at any moment', async () => {
  const directory = folder();
  const store = openStore(directory, emptyRun);
  await store.finish();
  store.close();
  // What is listed and cannot be opened: as a file that was renamed meanwhile.
  for (let at = 0; at < 300; at++) writeFileSync(join(directory, `human.jsonl.${at}.tmp`), '');
  const verified = verifyRun(directory);
  for (let at = 0; at < 300; at++) rmSync(join(directory, `human.jsonl.${at}.tmp`));
  expect(await verified).toEqual([]);
});

test('another config is refused and leaves the finished run as it was; fresh starts over', async () => {
  const directory = folder();
  const store = openStore(directory, emptyRun);
  store.items.append([item]);
  await store.finish();
  store.close();
  const other = { ...emptyRun, configSha256: 'b'.repeat(64) };
  expect(await auditErrorOf(() => openStore(directory, other))).toEqual({
    code: 'config',
    message: `${directory}: holds a run of another config`,
    problems: ['config there aaaaaaaaaaaa, config now bbbbbbbbbbbb'],
    hint: 'choose another folder with --out, or start over with --fresh',
  });
  const gated = { ...other, config: { passed: {}, resolved: { gate: { marginsPoints: { harm: 4 } } } } };
  expect(await auditErrorOf(() => openStore(directory, gated))).toMatchObject({
    problems: ['gate: nothing there, {"marginsPoints":{"harm":4}} now'],
    hint: expect.stringContaining('aftertune gate RUN --policy FILE'),
  });
  expect(await verifyRun(directory)).toEqual([]);
  openStore(directory, other, { fresh: true }).close();
  expect(readRun(directory)).toEqual({
    run: other,
    items: [],
    verdicts: [],
    margins: [],
    summary: null,
    finished: false,
  });
});

test('what a killed process left half-written is cleared away, and what it was replacing is put back', async () => {
  const directory = folder();
  openStore(directory, emptyRun).close();
  const leave = (name: string) => {
    mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, name, 'weights'), name);
  };
  for (const name of ['adapters/a.4242.tmp', 'adapters/b', 'adapters/b.4242.old', 'adapters/c.4242.old'])
    leave(name);
  writeFileSync(join(directory, 'summary.json.4242.tmp'), '{');
  const store = openStore(directory, emptyRun);
  await store.finish();
  store.close();
  expect(readdirSync(join(directory, 'adapters')).sort()).toEqual(['b', 'c']);
  expect(readFileSync(join(directory, 'adapters/c/weights'), 'utf8')).toBe('adapters/c.4242.old');
  expect(existsSync(join(directory, 'summary.json.4242.tmp'))).toBe(false);
  expect(await verifyRun(directory)).toEqual([]);
});

test('a folder that holds something else is never written to nor emptied', async () => {
  const directory = folder();
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'thesis.txt'), 'x');
  const error = await auditErrorOf(() => openStore(directory, emptyRun, { fresh: true }));
  expect([error.code, error.message]).toEqual(['config', `${directory}: holds files, but no run`]);
  expect(readdirSync(directory)).toEqual(['thesis.txt']);
  expect((await auditErrorOf(() => openStore(join(directory, 'thesis.txt'), emptyRun))).code).toBe('config');
  expect((await auditErrorOf(() => readRun(directory))).code).toBe('store');
});

test('a run.json of another version is refused by name', async () => {
  const directory = folder();
  openStore(directory, emptyRun).close();
  writeFileSync(join(directory, 'run.json'), JSON.stringify({ ...emptyRun, schema: 'aftertune/run@9' }));
  const error = await auditErrorOf(() => openStore(directory, emptyRun));
  expect(error.code).toBe('store');
  expect(error.problems[0]).toMatch(/^schema: .*aftertune\/run@1/);
  writeFileSync(join(directory, 'run.json'), '{"schema":');
  expect((await auditErrorOf(() => openStore(directory, emptyRun))).message).toMatch(
    /run\.json: is not JSON$/,
  );
});

test('a second writer is refused while the first lives, in this process and in another', async () => {
  const directory = folder();
  const store = openStore(directory, emptyRun);
  const error = await auditErrorOf(() => openStore(directory, emptyRun));
  expect([error.code, error.message]).toEqual([
    'store',
    `${directory}: process ${process.pid} is writing there`,
  ]);
  store.close();
  const held = await holdInChild(directory);
  const refused = await auditErrorOf(() => openStore(directory, emptyRun));
  expect(refused.message).toBe(`${directory}: process ${held.pid} is writing there`);
  await held.kill();
  expect(locks(directory)).toHaveLength(1);
  openStore(directory, emptyRun).close();
  expect(locks(directory)).toEqual([]);
});

test('a lock whose process id was given to another process does not hold', () => {
  const directory = folder();
  openStore(directory, emptyRun).close();
  writeFileSync(join(directory, `writer-${process.ppid}-00000000.lock`), '');
  openStore(directory, emptyRun).close();
  expect(locks(directory)).toEqual([]);
});

test('what a killed process left half-written is no obstacle', () => {
  const directory = folder();
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'run.json.4711.tmp'), '{"sch');
  openStore(directory, emptyRun).close();
  expect(existsSync(join(directory, 'run.json'))).toBe(true);
});

// Permissions do not bind root.
test.skipIf(process.getuid?.() === 0)(
  'a folder that cannot be written is refused, with the way out',
  async () => {
    const closed = join(folder(), 'closed', 'run');
    mkdirSync(join(closed, '..'), { recursive: true, mode: 0o500 });
    const error = await auditErrorOf(() => openStore(closed, emptyRun));
    expect([error.code, error.hint !== undefined]).toEqual(['disk', true]);
    expect(existsSync(closed)).toBe(false);
  },
);

test('a clock that jumps, years back or ahead, changes nothing that is kept', async () => {
  const bytes: string[] = [];
  for (const year of [2001, 2026, 2060]) {
    vi.useFakeTimers({ now: new Date(`${year}-06-01`), toFake: ['Date'] });
    const directory = folder();
    openStore(directory, emptyRun).close();
    vi.setSystemTime(new Date(`${year - 1}-01-01`));
    const store = openStore(directory, emptyRun);
    store.items.append([item]);
    expect(await store.stage('train', { arm: 'a' }, async () => ({ loss: 1 }))).toEqual({ loss: 1 });
    store.close();
    vi.setSystemTime(new Date(`${year + 20}-01-01`));
    const again = openStore(directory, emptyRun);
    expect(again.items.records()).toEqual([item]);
    expect(await again.stage('train', { arm: 'a' }, async () => ({ loss: 2 }))).toEqual({ loss: 1 });
    await again.finish();
    again.close();
    expect(await verifyRun(directory)).toEqual([]);
    bytes.push(readFileSync(join(directory, 'done.json'), 'utf8'));
    vi.useRealTimers();
  }
  expect(new Set(bytes).size).toBe(1);
});

/** Another process that has the folder open until it is killed. */
async function holdInChild(directory: string) {
  const program = `import { lockFolder } from ${JSON.stringify(new URL('../dist/writer-lock.js', import.meta.url).href)};`;
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `${program} lockFolder(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000);`,
  ]);
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the child ended')));
  });
  child.removeAllListeners('exit');
  return {
    pid: child.pid,
    kill: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGKILL');
      }),
  };
}
