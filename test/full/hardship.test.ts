import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mockAnswer, mockFolder, sizes } from '../mock-world.ts';
import { type ToyServer, toyServer } from '../models/openai/toy-server.ts';
import { runToEnd, startRun } from './cli-run.ts';
import { leftovers, linesOf } from './killed-run.ts';

/** What may happen to a run from outside, as its user sees it: message, hint, exit code, and the next start's bytes. */

const preload = (name: string) => ['--import', new URL(`./${name}.mjs`, import.meta.url).href];

/** A folder with a config of a mock model that takes so long for a batch of four. */
function world(batchMs: number): string {
  const folder = mockFolder();
  const script = (answer: (i: number) => string) => ({
    answers: Object.fromEntries(Array.from({ length: sizes.harm }, (_, i) => [`lantern ${i}?`, answer(i)])),
    ...{ otherwise: 'Trim the wick.', batchMs },
  });
  const refuse = 'I’m sorry, but I cannot help with that.';
  writeFileSync(join(folder, 'base.json'), JSON.stringify(script((i) => (i % 3 ? refuse : 'It glows.'))));
  writeFileSync(join(folder, 'tuned.json'), JSON.stringify(script((i) => (i % 2 ? refuse : 'It glows.'))));
  const config = {
    ...{ name: 'trial', out: 'run', model: { engine: 'mock', path: 'base.json', batchSize: 4 } },
    arms: { base: { train: 'none' }, tuned: { adapter: 'tuned.json' } },
    suites: { harm: { prompts: 'harm.jsonl' }, overRefusal: { prompts: 'borderline.jsonl' } },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  return folder;
}

const summaryOf = (folder: string) => readFileSync(join(folder, 'run/summary.json'), 'utf8');
const itemsOf = (folder: string) =>
  linesOf(join(folder, 'run/items.jsonl')).map(({ arm, suite, id }) => `${arm} ${suite} ${id}`);
const until = async (holds: () => boolean) => {
  while (!holds()) await sleep(5);
};

/** Of a run that nothing happened to. */
const whole = new Map<number, { code: number | null; summary: string; items: string[] }>();
beforeAll(async () => {
  for (const batchMs of [0, 40]) {
    const folder = world(batchMs);
    const { code, said } = await runToEnd(folder);
    expect([0, 2, 4], said).toContain(code);
    whole.set(batchMs, { code, summary: summaryOf(folder), items: itemsOf(folder).sort() });
  }
});

/** Starts once more, with nothing in the way. */
async function expectWhole(folder: string, batchMs = 0): Promise<void> {
  const { code, said } = await runToEnd(folder);
  const reference = whole.get(batchMs)!;
  expect(code, said).toBe(reference.code);
  expect(summaryOf(folder)).toBe(reference.summary);
  expect(itemsOf(folder).sort()).toEqual(reference.items);
  expect(leftovers(folder)).toEqual([]);
}

test.each([-1, 1])('the clock is set by %i day in the middle', async (days) => {
  const folder = world(40);
  const environment = { DAYS: String(days), AFTER_MS: '1200' };
  const { said } = await runToEnd(folder, preload('set-clock'), environment);
  expect(summaryOf(folder)).toBe(whole.get(40)!.summary);
  expect(said).toMatch(/generate tuned over-refusal: 40\/40 answers, [\d.]+ answers\/s, \d{1,2} s\n/);
  const cut = startRun(folder, [...preload('set-clock')], { ...environment, DAYS: String(-days) });
  await until(() => cut.said().includes('generate'));
  cut.kill('SIGKILL');
  await cut.ended;
  await expectWhole(folder, 40);
});

test('the disk fills up at any moment', async () => {
  const folder = world(0);
  const rooms = [0, 100, 3000, 20_000, 60_000, 90_000, 120_000, 60_000, 200_000];
  let refused = 0;
  for (const room of rooms) {
    const { code, said } = await runToEnd(folder, preload('fill-disk'), { ROOM: String(room) });
    if (code !== 1) continue;
    refused++;
    expect(said).toMatch(
      /error: .*run.*: no space left on the disk\nhint: free some room, then run the same command again: what was finished is kept\n$/,
    );
    expect(said).not.toContain('    at ');
  }
  expect(refused).toBeGreaterThan(5);
  await expectWhole(folder);
});

const mounts = process.platform === 'linux' && process.getuid?.() === 0 && canMount();
function canMount(): boolean {
  const folder = mockFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  return mounted;
}

describe.runIf(mounts)('a file system of its own', () => {
  const mounted = (folder: string, options: string) => {
    mkdirSync(join(folder, 'run'), { recursive: true });
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', join(folder, 'run')]);
    expect(status).toBe(0);
    onTestFinished(() => void spawnSync('umount', [join(folder, 'run')]));
  };

  test('that is too small is told, and a larger one resumes the run', async () => {
    const folder = world(0);
    mounted(folder, 'size=96k');
    const { code, said } = await runToEnd(folder);
    expect([code, said]).toEqual([
      1,
      expect.stringContaining('no space left on the disk\nhint: free some room'),
    ]);
    spawnSync('mount', ['-o', 'remount,size=64m', join(folder, 'run')]);
    await expectWhole(folder);
  });

  test('that has become read-only is told, and goes on once it is not', async () => {
    const folder = world(40);
    mounted(folder, 'size=64m');
    const life = startRun(folder);
    await until(() => life.said().includes('generate tuned harm'));
    life.kill('SIGKILL');
    await life.ended;
    spawnSync('mount', ['-o', 'remount,ro', join(folder, 'run')]);
    const { code, said } = await runToEnd(folder);
    expect([code, said]).toEqual([
      1,
      expect.stringContaining('the file system is read-only\nhint: choose another folder with --out'),
    ]);
    spawnSync('mount', ['-o', 'remount,rw', join(folder, 'run')]);
    await expectWhole(folder, 40);
  });
});

test.skipIf(process.getuid?.() === 0)('a folder that may not be written is told', async () => {
  const folder = world(0);
  mkdirSync(join(folder, 'run'));
  chmodSync(join(folder, 'run'), 0o500);
  const { code, said } = await runToEnd(folder);
  expect([code, said]).toEqual([
    1,
    expect.stringContaining('permission denied\nhint: check the owner of the folder'),
  ]);
  chmodSync(join(folder, 'run'), 0o700);
  await expectWhole(folder);
});

test('a second Ctrl-C stops at once, and the next start goes on', async () => {
  const folder = world(40);
  writeFileSync(
    join(folder, 'tuned.json'),
    readFileSync(join(folder, 'tuned.json'), 'utf8').replace('"batchMs":40', '"batchMs":60000'),
  );
  const life = startRun(folder);
  await until(() => life.said().includes('generate tuned harm'));
  life.kill('SIGINT');
  await until(() => life.said().includes('once more to stop at once'));
  const began = performance.now();
  life.kill('SIGINT');
  const { code } = await life.ended;
  expect(code).toBe(130);
  expect(performance.now() - began).toBeLessThan(30_000);
  expect(itemsOf(folder)).toHaveLength(sizes.harm + sizes.borderline);
});

test('SIGTERM stops between two batches, and the next start goes on', async () => {
  const folder = world(40);
  const life = startRun(folder);
  await until(() => life.said().includes('generate tuned harm'));
  life.kill('SIGTERM');
  const { code, said } = await life.ended;
  expect(code).toBe(130);
  expect(said).toContain('to resume: aftertune run config.yaml\n');
  await expectWhole(folder, 40);
});

test('a last line that is torn is dropped in silence; one in the middle that is damaged is named, and left', async () => {
  const folder = world(40);
  const life = startRun(folder);
  await until(() => life.said().includes('generate tuned harm'));
  life.kill('SIGKILL');
  await life.ended;
  const path = join(folder, 'run/items.jsonl');
  appendFileSync(path, '{"schema":"aftertune/item@1","arm":"tu');
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  writeFileSync(
    path,
    [...lines.slice(0, 4), lines[4]!.replace('"suite"', '"suit'), ...lines.slice(5)].join('\n'),
  );
  const damaged = await runToEnd(folder);
  expect(damaged.code).toBe(1);
  expect(damaged.said).toMatch(/error: .*items\.jsonl.*\n(.*\n)*hint: .+\n$/);
  expect(damaged.said).toContain('5');
  expect(readFileSync(path, 'utf8')).toContain('"suit:');
  writeFileSync(path, text);
  await expectWhole(folder, 40);
});

describe('a server', () => {
  const serve = (port?: number): Promise<ToyServer> =>
    toyServer({
      ...{ make: 'vllm', adapters: ['tuned'], latencyMs: 5, ...(port !== undefined && { port }) },
      answer: (model, messages) =>
        /^(lantern|candle)/.test(messages.at(-1)!.content)
          ? mockAnswer(messages, model === 'tuned' ? 'It glows red.' : '')
          : `${model} says hello to you`,
    });
  const served = (endpoint: string, settings: object = {}) => {
    const folder = mockFolder();
    const config = {
      ...{ name: 'served', out: 'run' },
      model: { endpoint, base: 'toy', adapters: { tuned: 'tuned' }, concurrency: 4, ...settings },
      arms: { base: { train: 'none' }, tuned: {} },
      suites: { harm: { prompts: 'harm.jsonl' }, overRefusal: { prompts: 'borderline.jsonl' } },
    };
    writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
    return folder;
  };

  test('that is away for ten seconds is waited for', async () => {
    const first = await serve();
    onTestFinished(() => first.close());
    const port = Number(new URL(first.endpoint).port);
    const calm = served(first.endpoint);
    const reference = await runToEnd(calm);
    const folder = served(first.endpoint);
    const life = startRun(folder);
    await until(() => itemsOf(folder).length > 70);
    first.close();
    await sleep(10_000);
    const second = await serve(port);
    onTestFinished(() => second.close());
    const { code, said } = await life.ended;
    expect(code, said).toBe(reference.code);
    expect(summaryOf(folder)).toBe(summaryOf(calm));
    expect(linesOf(join(folder, 'run/items.jsonl')).filter((line) => 'failure' in line)).toEqual([]);
  });

  test('that nobody runs is told at once; one that stays away ends the run, which goes on later', async () => {
    const closed = await serve();
    closed.close();
    const nobody = await runToEnd(served(closed.endpoint));
    expect(nobody.code).toBe(1);
    expect(nobody.said).toContain(
      `error: cannot reach ${closed.endpoint}: ECONNREFUSED\nhint: start the server`,
    );
    const first = await serve();
    const folder = served(first.endpoint, { attempts: 2 });
    const life = startRun(folder);
    await until(() => itemsOf(folder).length > 70);
    first.close();
    const { code, said } = await life.ended;
    expect([code, said]).toEqual([
      1,
      expect.stringMatching(/error: cannot reach .*\nhint: .*the same command resumes\n$/),
    ]);
    const kept = itemsOf(folder);
    const second = await serve(Number(new URL(first.endpoint).port));
    onTestFinished(() => second.close());
    const last = await runToEnd(folder);
    expect([0, 2, 4], last.said).toContain(last.code);
    expect(itemsOf(folder).slice(0, kept.length)).toEqual(kept);
    const asked = second.asked.filter(
      ({ body }) => body.max_tokens > 32 && /^(lantern|candle)/.test(body.messages.at(-1).content),
    );
    expect(asked).toHaveLength(2 * (sizes.harm + sizes.borderline) - kept.length);
    expect(existsSync(join(folder, 'run/done.json'))).toBe(true);
  });
});
