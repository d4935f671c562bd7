import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bcaInterval } from '../src/bootstrap.ts';
import { boundedMeanInterval } from '../src/bounded-mean.ts';
import { createRandom } from '../src/random.ts';
import { mean, tangoInterval, wilsonInterval } from '../src/stats.ts';
import { fixture } from './statistics-fixture.ts';

const repeat = (value: number, count: number): number[] => Array.from({ length: count }, () => value);
const close = (ours: readonly [number, number] | null, theirs: readonly number[] | null, within: number) =>
  ours!.forEach((limit, i) => {
    expect(Math.abs(limit - theirs![i]!)).toBeLessThan(within);
  });

describe('the score interval of a bounded mean', () => {
  test.each(fixture.boundedMean)('as the likelihood maximised by SciPy (%#)', ({ values, range, ci95 }) => {
    close(boundedMeanInterval(values, range), ci95, 1e-5);
  });
  test('is Wilson’s for 0 and 1', () => {
    for (const [count, n] of [
      [0, 50],
      [3, 50],
      [50, 50],
      [131, 320],
    ] as const)
      close(
        boundedMeanInterval([...repeat(1, count), ...repeat(0, n - count)], [0, 1]),
        wilsonInterval(count, n),
        1e-9,
      );
  });
  test('is Tango’s for −1, 0 and 1', () => {
    for (const [gained, lost, n] of [
      [0, 0, 50],
      [6, 16, 161],
      [0, 4, 30],
      [30, 0, 30],
      [1, 0, 1],
    ] as const) {
      const values = [...repeat(1, gained), ...repeat(-1, lost), ...repeat(0, n - gained - lost)];
      close(boundedMeanInterval(values, [-1, 1]), tangoInterval(gained, lost, n), 1e-9);
    }
  });
  test('agrees with the bootstrap where much has been seen', () => {
    const random = createRandom('shares');
    const values = Array.from({ length: 2000 }, () => (random.integer(6) - random.integer(6)) / 5);
    close(boundedMeanInterval(values, [-1, 1]), bcaInterval(values, createRandom('bca')), 1e-3);
  });
  test('does not trust a few small differences: a change nobody has seen yet stays possible', () => {
    const values = [...repeat(0, 46), 0.2, 0.2, -0.2, -0.2];
    expect(bcaInterval(values, createRandom('bca'))[1]).toBeLessThan(0.02);
    expect(boundedMeanInterval(values, [-1, 1])![1]).toBeGreaterThan(0.07);
  });
  test('null without values; holds the mean, stays in the range and mirrors', () => {
    expect(boundedMeanInterval([], [0, 1])).toBeNull();
    const shares = fc.array(
      fc.integer({ min: -5, max: 5 }).map((fifths) => fifths / 5),
      { minLength: 1, maxLength: 60 },
    );
    fc.assert(
      fc.property(shares, (values) => {
        const [low, high] = boundedMeanInterval(values, [-1, 1])!;
        const average = mean(values);
        expect(-1 <= low && low <= average && average <= high && high <= 1 && low < high).toBe(true);
        const mirrored = boundedMeanInterval(
          values.map((value) => -value),
          [-1, 1],
        )!;
        expect(mirrored[0]).toBeCloseTo(-high, 10);
        expect(mirrored[1]).toBeCloseTo(-low, 10);
      }),
    );
  });
});
