import { describe, expect, test } from 'vitest';
import {
  bcaInterval,
  jackknifeAcceleration,
  meanInterval,
  signFlipP,
  studentInterval,
} from '../src/bootstrap.ts';
import { createRandom } from '../src/random.ts';
import { fixture } from './statistics-fixture.ts';

const drawn = (n: number) => {
  const random = createRandom('values', n);
  return Array.from({ length: n }, () => random.normal() ** 2);
};

describe('BCa interval', () => {
  test.each(fixture.bca)('close to SciPy’s with 50,000 resamples', ({ values, ci95, acceleration }) => {
    const [low, high] = bcaInterval(values, createRandom('bca'));
    const width = ci95[1] - ci95[0];
    expect(Math.abs(low - ci95[0])).toBeLessThan(0.03 * width);
    expect(Math.abs(high - ci95[1])).toBeLessThan(0.03 * width);
    expect(jackknifeAcceleration(values)).toBeCloseTo(acceleration, 12);
  });
  test('follows the skew: the longer half is on the side of the long tail', () => {
    const values = drawn(60);
    const middle = values.reduce((sum, value) => sum + value, 0) / 60;
    const [low, high] = bcaInterval(values, createRandom('bca'));
    const [plainLow, plainHigh] = studentInterval(values);
    expect(high - middle).toBeGreaterThan(1.1 * (middle - low));
    expect(low).toBeGreaterThan(plainLow);
    expect(high).toBeGreaterThan(plainHigh);
  });
  test('moves with the values', () => {
    const values = drawn(60);
    const [low, high] = bcaInterval(values, createRandom('bca'));
    const moved = bcaInterval(
      values.map((value) => value + 100),
      createRandom('bca'),
    );
    expect(moved[0]).toBeCloseTo(low + 100, 6);
    expect(moved[1]).toBeCloseTo(high + 100, 6);
  });
  test('one seed, one interval', () => {
    const values = drawn(80);
    expect(bcaInterval(values, createRandom(1))).toEqual(bcaInterval(values, createRandom(1)));
    expect(bcaInterval(values, createRandom(1))).not.toEqual(bcaInterval(values, createRandom(2)));
  });
});

describe('interval of a mean, by the number of values', () => {
  test('Student’s as SciPy', () => {
    const { values, ci95 } = fixture.studentInterval;
    studentInterval(values).forEach((limit, i) => {
      expect(limit).toBeCloseTo(ci95[i]!, 10);
    });
  });
  test.each([
    [9, 'none'],
    [10, 'student'],
    [49, 'student'],
    [50, 'bca'],
    [20_001, 'student'],
  ])('%d values: %s', (n, kind) => {
    const values = drawn(n);
    const expected = {
      none: null,
      student: studentInterval(values),
      bca: n === 50 ? bcaInterval(values, createRandom(5)) : null,
    };
    expect(meanInterval(values, createRandom(5))).toEqual(expected[kind as keyof typeof expected]);
  });
  test('20,000 values are still bootstrapped', () => {
    const values = drawn(20_000);
    const interval = meanInterval(values, createRandom(5))!;
    expect(interval).not.toEqual(studentInterval(values));
    interval.forEach((limit, i) => {
      expect(limit).toBeCloseTo(studentInterval(values)[i]!, 2);
    });
  });
  test('null where all are equal, and without values', () => {
    expect(
      meanInterval(
        Array.from({ length: 100 }, () => 0.5),
        createRandom(5),
      ),
    ).toBeNull();
    expect(meanInterval([], createRandom(5))).toBeNull();
  });
});

describe('sign-flip p', () => {
  test.each(fixture.signFlip)('%j as SciPy over all patterns', (differences, p) => {
    expect(signFlipP(differences, createRandom('flip'))).toBeCloseTo(p, 12);
  });
  test('zeros change nothing; none is null, all zero is 1', () => {
    const differences = [0.5, 0.5, 1, 0.25, -0.25, 0.5];
    const padded = [...differences, ...Array.from({ length: 40 }, () => 0)];
    expect(signFlipP(padded, createRandom(1))).toBe(signFlipP(differences, createRandom(1)));
    expect(signFlipP([], createRandom(1))).toBeNull();
    expect(signFlipP([0, 0, 0], createRandom(1))).toBe(1);
  });
  test('beyond twelve the drawn patterns agree with the exact binomial', () => {
    // 20 equal steps, 15 up: P(≥ 15 or ≤ 5 of 20) = 0.041389…
    const differences = Array.from({ length: 20 }, (_, i) => (i < 15 ? 1 / 3 : -1 / 3));
    expect(Math.abs(signFlipP(differences, createRandom(3))! - 0.0413895)).toBeLessThan(0.006);
    expect(
      signFlipP(
        Array.from({ length: 40 }, () => 0.5),
        createRandom(3),
      ),
    ).toBe(1 / 10_000);
  });
});
