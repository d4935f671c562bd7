import { describe, expect, test } from 'vitest';
import { auroc, brierScore, calibrationError } from '../src/calibration.ts';
import { foldOf, isotonicFit, recalibrate } from '../src/isotonic.ts';
import { createRandom } from '../src/random.ts';
import { fixture } from './panel-fixture.ts';

describe('isotonic regression', () => {
  // Pooling by unweighted means, or a step in the place of the line between points, misses scikit-learn's values.
  test.each(fixture.isotonic)(
    'as scikit-learn, between and outside the points: %#',
    ({ x, y, tried, fitted }) => {
      const regression = isotonicFit(x.map((value, i) => ({ x: value, y: y[i]! })));
      for (const [i, value] of tried.entries()) expect(regression(value)).toBeCloseTo(fitted[i]!, 12);
    },
  );
  test('a falling sequence is its mean, a rising one itself', () => {
    const points = (values: number[]) => values.map((y, x) => ({ x, y }));
    expect([0, 1, 2].map(isotonicFit(points([3, 2, 1])))).toEqual([2, 2, 2]);
    expect([0, 0.5, 2].map(isotonicFit(points([1, 2, 4])))).toEqual([1, 1.5, 4]);
    expect(() => isotonicFit([])).toThrow('no points');
  });
});

describe('cross-fitted recalibration', () => {
  const { confidence, correct, fold, calibrated, brier, auroc: area } = fixture.recalibration;
  const answers = confidence.map((value, i) => ({
    confidence: value,
    correct: correct[i] === 1,
    fold: fold[i]!,
  }));
  test('as scikit-learn fold by fold', () => {
    const ours = recalibrate(answers)!;
    for (const [i, { confidence: value }] of ours.entries()) expect(value).toBeCloseTo(calibrated[i]!, 12);
    expect(brierScore(ours)).toBeCloseTo(brier, 12);
    expect(auroc(answers).auroc).toBeCloseTo(area, 12);
  });
  test('an answer does not help to calibrate itself', () => {
    const flipped = answers.map((answer, i) => (i === 17 ? { ...answer, correct: !answer.correct } : answer));
    expect(recalibrate(flipped)![17]!.confidence).toBe(recalibrate(answers)![17]!.confidence);
  });
  test('turns an overconfident score into a probability', () => {
    const random = createRandom('overconfident');
    const sure = Array.from({ length: 3000 }, (_, i) => {
      const right = random.next();
      return { confidence: Math.sqrt(right), correct: random.next() < right, fold: foldOf(`question ${i}`) };
    });
    expect(calibrationError(sure, 10)).toBeGreaterThan(0.14);
    expect(calibrationError(recalibrate(sure)!, 10)).toBeLessThan(0.04);
    expect(brierScore(recalibrate(sure)!)!).toBeLessThan(brierScore(sure)!);
  });
  test('null below 50 answers or in one fold; folds are of about equal size', () => {
    expect(recalibrate(answers.slice(0, 49))).toBeNull();
    expect(recalibrate(answers.map((answer) => ({ ...answer, fold: 1 })))).toBeNull();
    const sizes = [0, 0, 0, 0, 0];
    for (let i = 0; i < 5000; i++) sizes[foldOf(`q${i}`)]!++;
    for (const size of sizes) expect(Math.abs(size - 1000)).toBeLessThan(120);
  });
});
