import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';

/** The exact sums of `npm run simulate`, and a few of its draws. */

interface Cell {
  readonly n: number;
  readonly coverage: number;
}
let result: {
  wilson: (Cell & { rate: number })[];
  paired: (Cell & {
    discordance: number;
    delta: number;
    pass: number;
    fail: number;
    rejected: number;
  })[];
  power: { discordance: number; n: number; power: number }[];
  repeated: (Cell & { rate: number; discordance: number })[];
  repeatedAtMargin: { pass: number }[];
  repeatedPower: { power: number }[];
  skewed: Cell[];
};

beforeAll(() => {
  const script = join(packageRoot, 'scripts/simulate-statistics.mjs');
  const { stdout } = spawnSync(process.execPath, [script, '--quick', '--json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  result = JSON.parse(stdout) as typeof result;
});

const average = (cells: readonly Cell[]) =>
  cells.reduce((sum, { coverage }) => sum + coverage, 0) / cells.length;
const least = (cells: readonly Cell[]) => Math.min(...cells.map(({ coverage }) => coverage));

describe('coverage of 95 % intervals', () => {
  it('Wilson', () => {
    expect(result.wilson).toHaveLength(16);
    expect(average(result.wilson)).toBeGreaterThan(0.94);
    expect(average(result.wilson)).toBeLessThan(0.96);
    expect(least(result.wilson)).toBeGreaterThan(0.9);
  });

  it('Tango, where five discordant pairs or more are expected; it errs upward where there are fewer', () => {
    const many = result.paired.filter(({ n, discordance }) => n * discordance >= 5);
    expect(average(many)).toBeGreaterThan(0.94);
    expect(average(many)).toBeLessThan(0.96);
    expect(least(result.paired)).toBeGreaterThan(0.925);
  });

  it('repeated completions, where the change is worth five items or more; it errs upward below', () => {
    const some = result.repeated.filter(({ n, discordance, rate }) => n * discordance * (1 - rate) >= 5);
    expect(some.length).toBeGreaterThan(5);
    expect(average(some)).toBeGreaterThan(0.94);
    expect(average(some)).toBeLessThan(0.965);
    // 400 draws: 3.5 standard errors under 95 %.
    expect(least(result.repeated)).toBeGreaterThan(0.91);
  });

  it('BCa of skewed values, exponential and lognormal: the known limits', () => {
    const [exponential, lognormal] = result.skewed;
    expect(exponential!.coverage).toBeGreaterThan(0.925 - 0.025);
    expect(lognormal!.coverage).toBeGreaterThan(0.9 - 0.03);
  });
});

describe('verdicts', () => {
  it('pass what is at the margin at most 2.5 % of the time, but for the steps of a discrete test', () => {
    const atMargin = result.paired.filter(({ delta }) => delta === 0.05);
    expect(atMargin.length).toBeGreaterThan(5);
    for (const { pass } of atMargin) expect(pass).toBeLessThan(0.03);
    // 400 draws: 2.5 % and three standard errors.
    for (const { pass } of result.repeatedAtMargin) expect(pass).toBeLessThan(0.05);
  });

  it('fail what did not change at most 2.5 % of the time, but for the same steps; McNemar never over 5 %', () => {
    const still = result.paired.filter(({ delta }) => delta === 0);
    for (const { fail, rejected } of still) {
      expect(fail).toBeLessThan(0.03);
      expect(rejected).toBeLessThanOrEqual(0.05);
    }
  });

  it('pass 4 times in 5 with the planned number of items', () => {
    for (const { power } of result.power) {
      expect(power).toBeGreaterThan(0.78);
      expect(power).toBeLessThan(0.86);
    }
    for (const { power } of result.repeatedPower) expect(power).toBeGreaterThan(0.78);
  });
});
