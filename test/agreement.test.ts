import { describe, expect, it } from 'vitest';
import { alphaWithInterval, kappaWithInterval, krippendorffAlpha, type Unit } from '../src/agreement.ts';
import { createRandom } from '../src/random.ts';
import { fixture } from './panel-fixture.ts';

/** Reliability data of four observers, · missing. Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, example C. */
const observers = [
  '12332141 2···'.replace(' ', ''),
  '123322412 5·3'.replace(' ', ''),
  '·333234225 1·'.replace(' ', ''),
  '123324412 51·'.replace(' ', ''),
];
const published: Unit[] = Array.from({ length: 12 }, (_, unit) =>
  observers.map((labels) => (labels[unit] === '·' ? null : labels[unit]!)),
);

/** Pairs counted one by one: observed over expected disagreement of all pairable labels. */
function byPairs(units: readonly Unit[]): number | null {
  const groups = units
    .map((unit) => unit.filter((label) => label !== null))
    .filter((labels) => labels.length > 1);
  const all = groups.flat();
  let observed = 0;
  for (const labels of groups)
    for (const [i, a] of labels.entries())
      for (const [j, b] of labels.entries()) if (i !== j && a !== b) observed += 1 / (labels.length - 1);
  let expected = 0;
  for (const [i, a] of all.entries()) for (const [j, b] of all.entries()) if (i !== j && a !== b) expected++;
  return expected === 0 ? null : 1 - observed / all.length / (expected / (all.length * (all.length - 1)));
}

describe('Krippendorff’s α', () => {
  it('is 0.743 for the published nominal example', () => {
    expect(krippendorffAlpha(published)).toBeCloseTo(0.743, 3);
  });

  it.each(fixture.alpha)('is what the krippendorff package gives: %#', ({ units, alpha }) => {
    expect(krippendorffAlpha(units)).toBeCloseTo(alpha, 12);
  });

  it.each(fixture.kappa)('and κ what scikit-learn gives: %#', ({ first, second, kappa }) => {
    const units = first.map((label, i) => [label, null, second[i]!]);
    expect(kappaWithInterval(units, 0, 2).value).toBeCloseTo(kappa, 12);
  });

  it('is what counting pairs one by one gives', () => {
    const random = createRandom('alpha');
    for (let round = 0; round < 50; round++) {
      const units = Array.from({ length: 30 }, () =>
        Array.from({ length: 2 + (round % 3) }, () => random.pick(['safe', 'unsafe', 'safe', null])),
      );
      expect(krippendorffAlpha(units)).toBeCloseTo(byPairs(units)!, 12);
    }
  });

  it('is undefined without variation or pairs', () => {
    expect(
      krippendorffAlpha([
        ['a', 'a'],
        ['a', null],
      ]),
    ).toBeNull();
    expect(
      krippendorffAlpha([
        ['a', null],
        [null, 'b'],
      ]),
    ).toBeNull();
    expect(alphaWithInterval([])).toEqual({ value: null, ci95: null, units: 0 });
  });

  it('comes with an interval around it, over the units that two judges labelled', () => {
    const { value, ci95, units } = alphaWithInterval(published);
    expect(units).toBe(11);
    expect(ci95![0]).toBeLessThan(value!);
    expect(ci95![1]).toBeGreaterThan(value!);
    const kappa = kappaWithInterval(published, 0, 1);
    expect([kappa.units, kappa.value! > 0.8]).toEqual([9, true]);
  });
});
