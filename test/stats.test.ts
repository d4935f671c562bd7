import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalCdf, normalQuantile, studentCentralQuantile } from '../src/distributions.ts';
import {
  cohenKappa,
  holm,
  mcnemarP,
  mean,
  meanAndError,
  neededForPairs,
  tangoInterval,
  wilsonInterval,
} from '../src/stats.ts';
import { fixture } from './statistics-fixture.ts';

const closeTo = (actual: number, expected: number, relative = 1e-10) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));

describe('distributions against SciPy', () => {
  test.each(fixture.normalQuantile)('normal quantile of %d', (p, x) => {
    expect(Math.abs(normalQuantile(p!) - x!)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(x!)));
  });
  test.each(fixture.normalCdf)('Φ(%d)', (x, p) => closeTo(normalCdf(x!), p!, 1e-8));
  test.each(fixture.normalCdf)('Φ(%d), absolutely', (x, p) => {
    expect(Math.abs(normalCdf(x!) - p!)).toBeLessThan(1e-14);
  });
  test.each(fixture.student)('t with %d degrees of freedom', (df, t) =>
    closeTo(studentCentralQuantile(0.95, df!), t!),
  );
  test('the quantile is infinite at the ends and refuses what is no probability', () => {
    expect([normalQuantile(0), normalQuantile(1)]).toEqual([-Infinity, Infinity]);
    expect(() => normalQuantile(1.1)).toThrow('internal');
    expect(() => normalQuantile(Number.NaN)).toThrow('internal');
  });
});

describe('Wilson interval', () => {
  test.each(fixture.wilson)('%d of %d as statsmodels', (k, n, low, high) => {
    const [ourLow, ourHigh] = wilsonInterval(k!, n!)!;
    expect(ourLow).toBeCloseTo(low!, 12);
    expect(ourHigh).toBeCloseTo(high!, 12);
  });
  test('edges: exactly 0 and 1 where all or none are positive, null without items', () => {
    expect(wilsonInterval(0, 20)![0]).toBe(0);
    expect(wilsonInterval(20, 20)![1]).toBe(1);
    expect(wilsonInterval(0, 0)).toBeNull();
  });
  test('lies within [0, 1] around the rate and mirrors its complement', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, part) => {
          const k = Math.round(part * n);
          const [low, high] = wilsonInterval(k, n)!;
          const [mirrorLow, mirrorHigh] = wilsonInterval(n - k, n)!;
          expect(0 <= low && low <= k / n && k / n <= high && high <= 1 && low < high).toBe(true);
          expect(low).toBeCloseTo(1 - mirrorHigh, 12);
          expect(high).toBeCloseTo(1 - mirrorLow, 12);
        },
      ),
    );
  });
});

describe('Tango interval', () => {
  test.each(fixture.tango)(
    '%d gained, %d lost of %d as the numerically inverted test',
    (b, c, n, low, high) => {
      const [ourLow, ourHigh] = tangoInterval(b!, c!, n!)!;
      expect(Math.abs(ourLow - low!)).toBeLessThan(1e-7);
      expect(Math.abs(ourHigh - high!)).toBeLessThan(1e-7);
    },
  );
  test('the published worked example, to its four decimals', () => {
    const { gained, lost, n, tango, mcnemarP: p } = fixture.published;
    expect(tangoInterval(gained, lost, n)!.map((x) => Number(x.toFixed(4)))).toEqual(tango);
    expect(Number(mcnemarP(gained, lost).toFixed(6))).toBe(p);
  });
  test('null without pairs; ±1 is a limit', () => {
    expect(tangoInterval(0, 0, 0)).toBeNull();
    expect(tangoInterval(5, 0, 5)![1]).toBe(1);
    expect(tangoInterval(0, 5, 5)![0]).toBe(-1);
  });
  test('holds the estimate, stays in [−1, 1] and mirrors when the arms are swapped', () => {
    const counts = fc
      .tuple(fc.nat(400), fc.nat(400), fc.nat(2000))
      .filter(([b, c, rest]) => b + c + rest > 0);
    fc.assert(
      fc.property(counts, ([b, c, rest]) => {
        const n = b + c + rest;
        const [low, high] = tangoInterval(b, c, n)!;
        const [swappedLow, swappedHigh] = tangoInterval(c, b, n)!;
        expect(-1 <= low && low <= (b - c) / n && (b - c) / n <= high && high <= 1 && low < high).toBe(true);
        expect(low).toBeCloseTo(-swappedHigh, 10);
        expect(high).toBeCloseTo(-swappedLow, 10);
      }),
    );
  });
});

describe('p values', () => {
  test.each(fixture.mcnemar)('McNemar, %d against %d, as scipy.stats.binomtest', (b, c, p) => {
    closeTo(mcnemarP(b!, c!), p!, 1e-9);
    expect(mcnemarP(c!, b!)).toBe(mcnemarP(b!, c!));
  });
  test.each(fixture.holm)('Holm of %j as statsmodels', (given, adjusted) => {
    holm(given).forEach((p, i) => {
      expect(p).toBeCloseTo(adjusted[i]!, 12);
    });
  });
  test('an undefined p is not in the family', () => {
    expect(holm([null, 0.02, null, 0.03])).toEqual([null, 0.04, null, 0.04]);
    expect(holm([])).toEqual([]);
  });
});

describe('agreement, means and sample size', () => {
  test.each(fixture.kappa)('κ of %j as statsmodels', (table, kappa) => {
    const pairs = table.flatMap((row, a) =>
      row.flatMap((count, b) => Array.from({ length: count }, () => [`label ${a}`, `label ${b}`] as const)),
    );
    expect(cohenKappa(pairs)).toBeCloseTo(kappa, 12);
  });
  test('κ is null without items and where both always say the same one thing', () => {
    expect(cohenKappa([])).toBeNull();
    expect(
      cohenKappa([
        ['safe', 'safe'],
        ['safe', 'safe'],
      ]),
    ).toBeNull();
    expect(cohenKappa([['safe', 'unsafe']])).toBe(0);
  });
  test('mean and standard error by the population deviation', () => {
    const { values, mean: average, se } = fixture.meanAndError;
    const ours = meanAndError(values);
    expect(ours.mean).toBeCloseTo(average, 12);
    expect(ours.se).toBeCloseTo(se, 12);
    expect(meanAndError([])).toEqual({ mean: null, se: null });
    expect(meanAndError([3])).toEqual({ mean: 3, se: null });
    expect(() => mean([])).toThrow('internal');
  });
  test('pairs needed by the score test: never far under, far over where few are discordant', () => {
    // By hand at ψ = 0.1, δ = 0.05: q = √(0.05·0.05·0.95/2)/… as Tango's quadratic with b = c = ψ/2.
    const q = Math.sqrt(8 * 0.05 * 0.05 * 0.95) / 4;
    const expected =
      ((1.959963984540054 * Math.sqrt(2 * q + 0.0475) + 0.8416212335729143 * Math.sqrt(0.1)) / 0.05) ** 2;
    expect(neededForPairs(0.1, 0.05)).toBe(Math.ceil(expected));
    const plain = (share: number, margin: number) =>
      ((1.959963984540054 + 0.8416212335729143) / margin) ** 2 * share;
    expect(neededForPairs(0.01, 0.05)).toBeGreaterThan(3 * plain(0.01, 0.05));
    expect(Math.abs(neededForPairs(0.5, 0.02) / plain(0.5, 0.02) - 1)).toBeLessThan(0.01);
  });
});
