import { describe, expect, it } from 'vitest';
import { intervalBars } from '../src/interval-bars.ts';
import { resultTable } from '../src/result-table.ts';
import { buildReportInput } from './fixtures/report-input.ts';

const { summary } = buildReportInput();

describe('rates drawn in text', () => {
  it.each([60, 80, 120])('in %i columns', async (width) => {
    const lines = intervalBars(summary, width);
    expect(Math.max(0, ...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`fixtures/report/bars-${width}.txt`);
  });

  it('has the mark where the rate is and the base’s rate beside it', () => {
    const arm = (rate: number, low: number, high: number) => ({
      training: null,
      overRefusal: {
        ...{ refused: 0, scored: 1, unscored: 0, direct: 0, indirect: 0, cutOff: 0, bounds: null },
        ...{ rate, ci95: [low, high] as [number, number] },
      },
    });
    const arms = { base: arm(0.5, 0.4, 0.6), all: arm(1, 0.9, 1), none: arm(0, 0, 0.1) };
    const [, base, all, none, axis] = intervalBars({ ...summary, baseArm: 'base', arms }, 51);
    expect([base, all, none].map((line) => line!.slice(8, 28))).toEqual([
      '········━━●━━·······',
      '··········│·······━●',
      '●━━·······│·········',
    ]);
    expect(axis!.slice(8)).toBe('0 %            100 %');
  });

  it('says nothing where there is no room, or one arm alone', () => {
    expect(intervalBars(summary, 30)).toEqual([]);
    const base = Object.fromEntries(Object.entries(summary.arms).slice(0, 1));
    expect(intervalBars({ ...summary, arms: base }, 120)).toEqual([]);
  });

  it('lets no name of an arm colour or turn the terminal', () => {
    const arms = Object.fromEntries(
      Object.values(summary.arms).map((arm, at) => [`\u001b[31m\u202e${at}\nrow`, arm]),
    );
    const text = resultTable({ ...summary, arms, comparisons: {}, baseArm: '\u001b[31m' }, 120);
    expect(text).not.toMatch(/\p{Cf}/u);
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\nrow');
  });
});
