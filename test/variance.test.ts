import { expect, test } from 'vitest';
import { createRandom } from '../src/random.ts';
import { type Observation, varianceComponents } from '../src/variance.ts';

type Level = readonly [item: number, template: number, seed: number, repeat: number];

function design(sizes: Level, value: (...level: Level) => number): Observation[] {
  const made: Observation[] = [];
  for (let i = 0; i < sizes[0]; i++)
    for (let t = 0; t < sizes[1]; t++)
      for (let s = 0; s < sizes[2]; s++)
        for (let r = 0; r < sizes[3]; r++)
          made.push({ item: `${i}`, template: `${t}`, seed: `${s}`, repeat: r, value: value(i, t, s, r) });
  return made;
}

test('one factor is the one-way analysis of variance, by hand', () => {
  // Two items, two repeats each: 0, 2 and 4, 6. MS between = 16, MS within = 2, component (16 − 2) / 2.
  const found = varianceComponents(design([2, 1, 1, 2], (item, _t, _s, repeat) => 4 * item + 2 * repeat));
  expect(found).toEqual({ item: 7, template: 0, seed: 0, repeat: 2, total: 9 });
});

test('an additive design has no residual, and each component is the variance of its effects', () => {
  const found = varianceComponents(
    design([3, 2, 2, 1], (item, template, seed) => item + 10 * template + 100 * seed),
  );
  expect(found.item).toBeCloseTo(1, 8);
  expect(found.template).toBeCloseTo(50, 8);
  expect(found.seed).toBeCloseTo(5000, 6);
  expect(found.repeat).toBeCloseTo(0, 8);
});

test('what was drawn is found again', () => {
  const normal = (...key: (string | number)[]) => {
    const random = createRandom('variance', ...key);
    return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  };
  const found = varianceComponents(
    design([400, 60, 2, 1], (i, t, s, r) => 2 * normal('i', i) + normal('t', t) + 0.5 * normal(i, t, s, r)),
  );
  expect(found.item).toBeGreaterThan(3.4);
  expect(found.item).toBeLessThan(4.6);
  expect(found.template).toBeGreaterThan(0.6);
  expect(found.template).toBeLessThan(1.5);
  expect(found.seed).toBeLessThan(0.01);
  expect(found.repeat).toBeCloseTo(0.25, 1);
});

test('an unbalanced design and one without a residual are refused', () => {
  const whole = design([2, 2, 1, 2], (item) => item);
  expect(() => varianceComponents(whole.slice(1))).toThrow('unbalanced');
  expect(() => varianceComponents(design([3, 1, 1, 1], (item) => item))).toThrow('without a residual');
});
