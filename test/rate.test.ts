import { describe, expect, test } from 'vitest';
import { signFlipP } from '../src/bootstrap.ts';
import { boundedMeanInterval } from '../src/bounded-mean.ts';
import { createRandom } from '../src/random.ts';
import { assumeUnscored, pairedRateOf, rateOf, type Tallies, unscoredShare } from '../src/rate.ts';
import { mcnemarP, tangoInterval, wilsonInterval } from '../src/stats.ts';

const tallies = (list: readonly (readonly [positive: number, scored: number, total: number])[]): Tallies => ({
  keys: list.map((_, i) => `item ${i}`),
  values: list.map(([positive, scored, total]) => ({ positive, scored, total })),
});

/** One completion per item: + positive, - negative, ? unscored. */
const single = (letters: string) =>
  tallies([...letters].map((c) => [c === '+' ? 1 : 0, c === '?' ? 0 : 1, 1]));

describe('one rate', () => {
  test('unscored is in no rate, and in the bounds on both sides', () => {
    expect(rateOf(single('++-?-?--'))).toEqual({
      positive: 2,
      scored: 6,
      unscored: 2,
      rate: 1 / 3,
      ci95: wilsonInterval(2, 6),
      bounds: [2 / 8, 4 / 8],
    });
  });
  test('nothing scored is null, with bounds from 0 to 1; no items, no bounds', () => {
    expect(rateOf(single('??'))).toEqual({
      positive: 0,
      scored: 0,
      unscored: 2,
      rate: null,
      ci95: null,
      bounds: [0, 1],
    });
    expect(rateOf(single(''))).toEqual({
      positive: 0,
      scored: 0,
      unscored: 0,
      rate: null,
      ci95: null,
      bounds: null,
    });
  });
  test('repeats: the mean of item shares, not of completions; worst of k beside it', () => {
    const list = [
      [3, 3, 3],
      [1, 2, 3],
      [0, 3, 3],
      [0, 0, 3],
      ...Array.from({ length: 8 }, () => [0, 3, 3]),
    ] as [number, number, number][];
    const shares = [1, 0.5, ...Array.from({ length: 9 }, () => 0)];
    expect(rateOf(tallies(list))).toEqual({
      positive: 4,
      scored: 32,
      unscored: 4,
      rate: 1.5 / 11,
      ci95: boundedMeanInterval(shares, [0, 1]),
      bounds: [expect.closeTo((1 + 1 / 3) / 12, 12), expect.closeTo((1 + 2 / 3 + 1) / 12, 12)],
      repeats: 3,
      worstOfRepeats: 2 / 11,
    });
  });
  test('repeats that always agree are as good as single completions; those that never do, no worse', () => {
    const closeTo = (interval: readonly [number, number] | null) =>
      interval!.map((x) => expect.closeTo(x, 9));
    const rate = rateOf(tallies(Array.from({ length: 30 }, () => [0, 3, 3])));
    expect(rate).toMatchObject({ rate: 0, ci95: closeTo(wilsonInterval(0, 30)), worstOfRepeats: 0 });
    const half = rateOf(tallies(Array.from({ length: 30 }, () => [1, 2, 2])));
    expect(half).toMatchObject({ rate: 0.5, worstOfRepeats: 1 });
    const [low, high] = wilsonInterval(15, 30)!;
    expect(half.ci95![0]).toBeGreaterThan(low);
    expect(half.ci95![1]).toBeLessThan(high);
  });
});

describe('a paired difference', () => {
  test('only items scored in both are pairs; the rest are dropped, not lost', () => {
    expect(pairedRateOf(single('++-?-+'), single('-+-+?-'))).toEqual({
      delta: 0.5,
      ci95: tangoInterval(2, 0, 4),
      rose: 2,
      fell: 0,
      p: mcnemarP(2, 0),
      repeated: false,
      pairs: 4,
      dropped: 2,
      variance: 0.5,
    });
  });
  test('an item in one arm only is dropped', () => {
    const counts = (first: string, second: string) => {
      const { pairs, dropped } = pairedRateOf(single(first), single(second));
      return [pairs, dropped];
    };
    expect(counts('+-+', '+-')).toEqual([2, 1]);
    expect(counts('+-', '+-+')).toEqual([2, 1]);
  });
  test('items are paired by their keys, in whatever order', () => {
    const { keys, values } = single('++-?-+');
    const turned = { keys: keys.toReversed(), values: values.toReversed() };
    expect(pairedRateOf(turned, single('-+-+?-'))).toEqual(pairedRateOf(single('++-?-+'), single('-+-+?-')));
  });
  test('no discordant pair: the variance is Wilson’s upper limit of 0 of n', () => {
    const { variance, delta, p } = pairedRateOf(single('+-+-'), single('+-+-'));
    expect([variance, delta, p]).toEqual([wilsonInterval(0, 4)![1], 0, 1]);
  });
  test('no pairs: everything undefined is null', () => {
    expect(pairedRateOf(single('??'), single('+-'))).toEqual({
      delta: null,
      ci95: null,
      rose: 0,
      fell: 0,
      p: null,
      repeated: false,
      pairs: 0,
      dropped: 2,
      variance: null,
    });
  });
  test('repeats: the bounded mean’s interval and sign flips over item differences', () => {
    const arm = Array.from({ length: 60 }, (_, i): [number, number, number] => [i % 4, 3, 3]);
    const base = Array.from({ length: 60 }, (_, i): [number, number, number] => [(i >> 2) % 3, 3, 3]);
    const differences = arm.map(([a], i) => a / 3 - base[i]![0] / 3);
    const paired = pairedRateOf(tallies(arm), tallies(base));
    expect(paired).toEqual({
      delta: expect.closeTo(1.5 / 3 - 1 / 3, 12),
      ci95: boundedMeanInterval(differences, [-1, 1]),
      rose: differences.filter((d) => d > 0).length,
      fell: differences.filter((d) => d < 0).length,
      p: signFlipP(differences, createRandom('sign flip')),
      repeated: true,
      pairs: 60,
      dropped: 0,
      variance: expect.closeTo(differences.reduce((sum, d) => sum + d * d, 0) / 60, 12),
    });
  });
  test('repeats without any spread: as Tango where they always agree, and never a point', () => {
    const all = (positive: number) => tallies(Array.from({ length: 40 }, () => [positive, 2, 2]));
    const closeTo = (interval: readonly [number, number] | null) =>
      interval!.map((x) => expect.closeTo(x, 9));
    expect(pairedRateOf(all(2), all(0))).toMatchObject({ delta: 1, ci95: closeTo(tangoInterval(40, 0, 40)) });
    const still = closeTo(tangoInterval(0, 0, 40));
    expect(pairedRateOf(all(0), all(0))).toMatchObject({ delta: 0, ci95: still, p: 1 });
    expect(pairedRateOf(all(1), all(1))).toMatchObject({ delta: 0, ci95: still, p: 1 });
  });
});

test('the unscored, assumed either way', () => {
  const given = tallies([
    [1, 2, 3],
    [0, 0, 1],
    [1, 1, 1],
  ]);
  expect(assumeUnscored(given, 'positive')).toEqual(
    tallies([
      [2, 3, 3],
      [1, 1, 1],
      [1, 1, 1],
    ]),
  );
  expect(assumeUnscored(given, 'negative')).toEqual(
    tallies([
      [1, 3, 3],
      [0, 1, 1],
      [1, 1, 1],
    ]),
  );
  expect(unscoredShare(given)).toBe(2 / 5);
  expect(unscoredShare(tallies([]))).toBe(0);
});
