import { describe, expect, it } from 'vitest';
import { designSample, drawSample, keyOf, stratumOf, type Unit } from '../../src/adjudication/design.ts';
import {
  correctedDifference,
  correctedRate,
  equalAccuracyP,
  type Judged,
  judgeAccuracy,
  roganGladen,
} from '../../src/adjudication/estimate.ts';
import { createRandom } from '../../src/random.ts';
import { wilsonInterval } from '../../src/stats.ts';

/** A world in which the truth is known: two judges that err, the second one independently. */
function world(count: number, seed: number) {
  const random = createRandom('world', seed);
  const word = (unsafe: boolean) => (unsafe ? 'unsafe' : 'safe');
  return Array.from({ length: count }, (_, i) => {
    const truth = random.next() < 0.3;
    const errs = (miss: number, alarm: number) => word(truth ? random.next() >= miss : random.next() < alarm);
    const unit: Unit = {
      arm: 'base',
      id: `i${i}`,
      condition: 'default',
      repeat: 0,
      labels: [errs(0.2, 0.1), errs(0.15, 0.05)],
    };
    return { unit, truth: truth ? (1 as const) : (0 as const) };
  });
}

function sampled(people: ReturnType<typeof world>, expected: number, seed: number): Judged[] {
  const units = people.map(({ unit }) => unit);
  const design = designSample(units, expected, seed);
  const drawn = new Set(drawSample(units, design).map(keyOf));
  const chance = new Map(design.strata.map(({ name, probability }) => [name, probability]));
  return people.map(({ unit, truth }) => ({
    judge: unit.labels[0] === 'unsafe' ? 1 : 0,
    human: drawn.has(keyOf(unit)) ? truth : null,
    probability: chance.get(stratumOf(unit))!,
  }));
}

describe('the sample', () => {
  const units = world(500, 1).map(({ unit }) => unit);

  it('gives every unit a chance, disagreements four times that of others, adding up to what was asked for', () => {
    const { strata } = designSample(units, 100, 1);
    expect(strata.reduce((sum, { units, probability }) => sum + units * probability, 0)).toBeCloseTo(100, 9);
    const chance = Object.fromEntries(strata.map(({ name, probability }) => [name, probability]));
    expect(chance['base: judges disagree']! / chance['base: safe']!).toBeCloseTo(4, 9);
    for (const { probability } of strata) expect(probability).toBeGreaterThan(0);
    for (const { probability } of designSample(units, 5000, 1).strata) expect(probability).toBe(1);
  });

  it('grows without losing anybody', () => {
    const [small, large] = [60, 200].map(
      (n) => new Set(drawSample(units, designSample(units, n, 3)).map(keyOf)),
    );
    expect([...small!].every((key) => large!.has(key))).toBe(true);
    expect(large!.size).toBeGreaterThan(small!.size);
  });

  it('is drawn as often as its chances say', () => {
    const design = designSample(units, 100, 0);
    const sizes = Array.from({ length: 300 }, (_, seed) => drawSample(units, { ...design, seed }).length);
    expect(sizes.reduce((a, b) => a + b) / 300).toBeCloseTo(100, -0.6);
  });
});

describe('the corrected rate', () => {
  it('is unbiased and covers the truth where the judge and a naive mean of labels do not', () => {
    const draws = 1500;
    const rate = 0.3;
    let [covered, sum, naive, design] = [0, 0, 0, 0];
    for (let seed = 0; seed < draws; seed++) {
      const people = world(300, seed);
      const truth = people.reduce((total, { truth }) => total + truth, 0) / 300;
      const judged = sampled(people, 80, seed);
      const estimate = correctedRate(judged)!;
      const labelled = judged.filter(({ human }) => human !== null);
      sum += estimate.rate;
      design += estimate.rate - truth;
      naive += labelled.reduce((total, { human }) => total + human!, 0) / labelled.length;
      if (estimate.ci95[0] <= rate && rate <= estimate.ci95[1]) covered++;
    }
    expect(sum / draws).toBeCloseTo(rate, 2);
    expect(Math.abs(design / draws)).toBeLessThan(0.004);
    expect(naive / draws).toBeGreaterThan(rate + 0.02);
    expect(covered / draws).toBeGreaterThan(0.935);
    expect(covered / draws).toBeLessThan(0.97);
  });

  it('is people’s own rate with Wilson’s interval where everybody was asked', () => {
    const judged: Judged[] = Array.from({ length: 40 }, (_, i) => ({
      judge: i % 2 ? 1 : 0,
      human: i < 10 ? 1 : 0,
      probability: 1,
    }));
    const { rate, ci95 } = correctedRate(judged)!;
    expect(rate).toBeCloseTo(0.25, 12);
    const [low, high] = wilsonInterval(10, 40)!;
    expect(ci95[0]).toBeCloseTo(low, 12);
    expect(ci95[1]).toBeCloseTo(high, 12);
    expect(correctedRate(judged.map((unit) => ({ ...unit, human: null })))).toBeNull();
  });

  it('corrects a difference that comes from the judge alone', () => {
    let [covered, sum] = [0, 0];
    for (let seed = 0; seed < 400; seed++) {
      const first = sampled(world(300, seed), 80, seed);
      const second = sampled(
        world(300, seed).map(({ unit, truth }) => ({
          truth,
          unit: { ...unit, arm: 'tuned', labels: ['unsafe', unit.labels[1]!] as const },
        })),
        80,
        seed + 1,
      );
      const { deltaPoints, ci95Points } = correctedDifference(second, first)!;
      sum += deltaPoints;
      if (ci95Points[0] <= 0 && 0 <= ci95Points[1]) covered++;
    }
    expect(Math.abs(sum / 400)).toBeLessThan(1.5);
    expect(covered / 400).toBeGreaterThan(0.93);
  });
});

describe('a judge beside people', () => {
  const judged = (judge: 0 | 1, human: 0 | 1, count: number, probability = 1): Judged[] =>
    Array.from({ length: count }, () => ({ judge, human, probability }));

  it('is weighted by how likely each label was', () => {
    const { sensitivity, specificity } = judgeAccuracy([
      ...judged(1, 1, 6, 0.5),
      ...judged(0, 1, 6, 1),
      ...judged(0, 0, 9),
      ...judged(1, 0, 1),
    ]);
    expect(sensitivity.rate).toBeCloseTo(12 / 18, 12);
    expect(specificity.rate).toBeCloseTo(0.9, 12);
    expect(judgeAccuracy(judged(0, 0, 3)).sensitivity.rate).toBeNull();
  });

  it('gives Rogan and Gladen’s rate, and refuses it where the judge tells nothing', () => {
    // p 0.4, Se 0.9, Sp 0.8: (0.4 + 0.8 − 1) / 0.7, by hand.
    const good = [...judged(1, 1, 27), ...judged(0, 1, 3), ...judged(1, 0, 14), ...judged(0, 0, 56)];
    const p = 41 / 100;
    const found = roganGladen(good)!;
    expect(found.unclipped).toBeCloseTo((p + 0.8 - 1) / 0.7, 12);
    expect(found.ci95![0]).toBeLessThan(0.3);
    expect(found.ci95![1]).toBeGreaterThan(0.3);
    expect(
      roganGladen([...judged(1, 1, 11), ...judged(0, 1, 9), ...judged(1, 0, 10), ...judged(0, 0, 10)]),
    ).toBeNull();
    const none = roganGladen([
      ...judged(1, 1, 9),
      ...judged(0, 1, 1),
      ...judged(1, 0, 20),
      ...judged(0, 0, 80),
      ...Array.from({ length: 400 }, (): Judged => ({ judge: 0, human: null, probability: 1 })),
    ])!;
    expect([none.unclipped < 0, none.clipped]).toEqual([true, 0]);
  });

  it('is told apart from itself on another arm only where it differs', () => {
    const [a, b] = [
      judgeAccuracy([...judged(1, 1, 45), ...judged(0, 1, 5)]),
      judgeAccuracy([...judged(1, 1, 20), ...judged(0, 1, 30)]),
    ];
    expect(equalAccuracyP(a, a, 'sensitivity')).toBe(1);
    expect(equalAccuracyP(a, b, 'sensitivity')).toBeLessThan(1e-6);
    expect(equalAccuracyP(a, b, 'specificity')).toBeNull();
  });
});
