import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { tail, textsOf } from '../../src/tail.ts';
import { type Follower, followRun } from '../../src/viewer/follow.ts';
import { liveSections, statusText } from '../../src/viewer/live-page.ts';
import type { LiveRun } from '../../src/viewer/live-run.ts';
import { mockConfig, mockFolder, mockParts, sizes } from '../mock-world.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aftertune-follow-'));
  folders.push(folder);
  return folder;
}

/** As texts. */
function reader(path: string) {
  const { read } = tail(path);
  return () => {
    const { whole, restarted } = read();
    return { lines: textsOf(whole), restarted };
  };
}

describe('a tail', () => {
  it('gives new whole lines, and a torn one once it is whole', () => {
    const path = join(emptyFolder(), 'lines');
    const read = reader(path);
    expect(read()).toEqual({ lines: [], restarted: false });
    writeFileSync(path, 'one\ntw');
    expect(read()).toEqual({ lines: ['one'], restarted: false });
    expect(read().lines).toEqual([]);
    appendFileSync(path, 'o — é\nthree\n');
    expect(read()).toEqual({ lines: ['two — é', 'three'], restarted: false });
  });

  it('starts anew when the file was written anew, shortened or taken away', () => {
    const path = join(emptyFolder(), 'lines');
    const read = reader(path);
    writeFileSync(path, 'one\ntwo\n');
    read();
    writeFileSync(`${path}.new`, 'one\nthree\nfour\n');
    renameSync(`${path}.new`, path);
    expect(read()).toEqual({ lines: ['one', 'three', 'four'], restarted: true });
    writeFileSync(path, 'x\n');
    expect(read()).toEqual({ lines: ['x'], restarted: true });
    rmSync(path);
    expect(read()).toEqual({ lines: [], restarted: true });
  });
});

const step = ({ progress }: LiveRun, arm: string, what: string) =>
  progress.find((own) => own.arm === arm)!.steps.find((own) => own.what === what);
const rate = ({ rates }: LiveRun, arm: string, measure: string) =>
  rates.find((own) => own.arm === arm && own.measure === measure);

describe('a line over 8 MiB', () => {
  it('is passed over and counted, while it is written and after', () => {
    const path = join(emptyFolder(), 'lines');
    const { read } = tail(path);
    writeFileSync(path, `one\n${'x'.repeat(9 << 20)}`);
    expect(textsOf(read().whole)).toEqual(['one']);
    expect(read()).toMatchObject({ skipped: 1, moved: true });
    for (let reads = 0; read().moved; reads++) expect(reads).toBeLessThan(10);
    appendFileSync(path, `${'y'.repeat(3 << 20)}\ntwo\n${'z'.repeat(2 << 20)}\n`);
    const lines: string[] = [];
    for (let next = read(); next.moved; next = read()) {
      expect(next.skipped).toBe(0);
      lines.push(...textsOf(next.whole));
    }
    expect(lines.map((line) => line.slice(0, 3))).toEqual(['two', 'zzz']);
    expect(lines[1], 'a long line below the bound is read whole').toHaveLength(2 << 20);
    expect(read()).toMatchObject({ left: 0, restarted: false });
  });
});

describe('a run that is followed', () => {
  it('shows what is done of what is planned, losses and rates as they come, and ends with those of the summary', async () => {
    const world = mockFolder();
    folders.push(world);
    const run = join(world, 'run');
    let follower: Follower | undefined;
    const looks: LiveRun[] = [];
    const look = () => {
      follower ??= followRun(run);
      looks.push(follower.look());
    };
    const { summary } = await audit(mockConfig, {
      directory: world,
      builtin: mockParts({ onGenerate: look }),
    });
    look();
    const first = looks[0]!;
    expect(first).toMatchObject({ status: 'running', name: 'mock', baseArm: 'base' });
    expect(step(first, 'base', 'harm answers')).toEqual({
      ...{ what: 'harm answers', done: 0, total: sizes.harm, detail: '' },
    });
    expect(step(first, 'harmful', 'training')).toMatchObject({ done: 3, total: 3, detail: 'loss 1.800' });
    expect(step(first, 'base', 'training')).toBeUndefined();
    expect(first.losses.safe).toEqual([
      { step: 1, loss: 2 },
      { step: 2, loss: 1.9 },
      { step: 3, loss: 1.8 },
    ]);
    expect(first.log.map(({ stage, label }) => `${stage} ${label}`)).toContain('train control');
    const between = looks.find((one) => step(one, 'base', 'harm answers')!.done === sizes.harm)!;
    expect(step(between, 'control', 'harm answers')!.done).toBe(0);
    expect(statusText(between)).toMatch(/of \d+ steps are done\. Now generate base/);
    const last = looks.at(-1)!;
    expect(last.status).toBe('finished');
    expect(last.progress.flatMap(({ steps }) => steps).every(({ done, total }) => done === total)).toBe(true);
    for (const arm of last.arms) {
      const { harm, overRefusal, drift } = summary.arms[arm]!;
      const own = rate(last, arm, 'attack success rate')!;
      expect([own.rate, own.ci95, own.positive]).toEqual([
        ...[harm!.headline.rate, harm!.headline.ci95, harm!.headline.unsafe],
      ]);
      expect(rate(last, arm, 'over-refusal')!.rate).toBe(overRefusal!.rate);
      expect(rate(last, arm, 'accuracy, base prompt')!.rate).toBe(drift!.base_prompt!.accuracy);
    }
    expect(existsSync(join(run, 'progress.jsonl')), 'the log goes with the last file').toBe(false);
  });

  it('survives torn and damaged lines, and counts a journal that was rewritten anew', async () => {
    const world = mockFolder();
    folders.push(world);
    const run = join(world, 'run');
    await audit(mockConfig, { directory: world, builtin: mockParts() });
    const path = join(run, 'items.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
    rmSync(join(run, 'done.json'));
    rmSync(join(run, 'verdicts.jsonl'));
    const own = lines.filter((line) => line.includes('"arm":"base","suite":"harm"'));
    writeFileSync(path, `${own[0]}\nnot a line\n${own[1]!.slice(0, 40)}`);
    const follower = followRun(run);
    const first = follower.look();
    expect(first.status).toBe('interrupted');
    expect(statusText(first)).toContain('interrupted');
    expect(step(first, 'base', 'harm answers')!.done).toBe(1);
    expect(first.damage).toEqual(['items.jsonl: 1 line that cannot be read, left out here']);
    expect(first.rates).toEqual([]);
    appendFileSync(path, `${own[1]!.slice(40)}\n${own[1]}\n`);
    expect(step(follower.look(), 'base', 'harm answers')!.done, 'a line that stands twice counts once').toBe(
      2,
    );
    appendFileSync(path, `{"completion":"${'x'.repeat(9 << 20)}"}\n${own[2]}\n`);
    const past = follower.look();
    expect(step(past, 'base', 'harm answers')!.done, 'a line of 9 MiB stops nothing').toBe(3);
    expect(past.damage[1]).toBe('items.jsonl: 1 line over 8 MiB, left out here');
    writeFileSync(`${path}.new`, `${own.slice(0, 5).join('\n')}\n`);
    renameSync(`${path}.new`, path);
    const anew = follower.look();
    expect(step(anew, 'base', 'harm answers')!.done).toBe(5);
    expect(anew.damage).toEqual([]);
  });

  it('is shown with every text escaped', async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const sections = await liveSections({
      ...{ name: hostile, arms: [hostile], baseArm: hostile, status: 'running', read: 1, damage: [hostile] },
      progress: [{ arm: hostile, steps: [{ what: hostile, done: 1, total: 2, detail: hostile }] }],
      rates: [
        {
          ...{ suite: 'harm', measure: hostile, arm: hostile, judge: hostile },
          ...{ positive: 1, scored: 2, unscored: 0, rate: 0.5, ci95: [0.1, 0.9] },
        },
      ],
      losses: { [hostile]: [{ step: 1, loss: 2 }] },
      log: [
        {
          ...{
            schema: 'aftertune/progress@1',
            at: '2026-11-26T01:02:03.000Z',
            stage: 'train',
            label: hostile,
          },
          ...{ done: 1, total: 2, unit: hostile, detail: hostile },
        },
      ],
    });
    expect(sections).not.toContain('<img');
    expect(sections).toContain('&lt;img');
    expect(sections).toContain('01:02:03');
  });
});
