import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  auroc,
  brierScore,
  calibrationError,
  equalMassCalibrationError,
  type Judged,
  riskCoverageArea,
} from '../src/calibration.ts';
import { createRandom } from '../src/random.ts';
import { fixture } from './statistics-fixture.ts';

const judge = (confidence: readonly number[], correct: readonly number[]): Judged[] =>
  confidence.map((value, i) => ({ confidence: value, correct: correct[i] === 1 }));

describe.each(fixture.calibration)('against brute force over all pairs', (expected) => {
  const answers = judge(expected.confidence, expected.correct);
  test('AUROC and DeLong interval', () => {
    const ours = auroc(answers);
    expect(ours.auroc).toBeCloseTo(expected.auroc, 12);
    ours.ci95!.forEach((limit, i) => {
      expect(limit).toBeCloseTo(expected.ci95[i]!, 12);
    });
  });
  test('Brier score and, where there are no ties, both calibration errors', () => {
    expect(brierScore(answers)).toBeCloseTo(expected.brier, 12);
    if (expected.ece === null || expected.eceEqualMass === null) return;
    expect(calibrationError(answers, 10)).toBeCloseTo(expected.ece, 12);
    expect(equalMassCalibrationError(answers, 10)).toBeCloseTo(expected.eceEqualMass, 12);
  });
  test('the order of the answers is nothing', () => {
    const shuffled = createRandom('order').shuffle(answers);
    expect(auroc(shuffled).auroc).toBeCloseTo(auroc(answers).auroc!, 12);
    expect(equalMassCalibrationError(shuffled, 10)).toBeCloseTo(equalMassCalibrationError(answers, 10)!, 12);
    expect(riskCoverageArea(shuffled)).toBeCloseTo(riskCoverageArea(answers)!, 12);
  });
});

describe('AUROC', () => {
  test('null with one class, ½ where all tie, an interval only with a spread', () => {
    expect(auroc([])).toEqual({ auroc: null, ci95: null });
    expect(auroc(judge([0.2, 0.9], [1, 1]))).toEqual({ auroc: null, ci95: null });
    expect(auroc(judge([0.4, 0.4, 0.4, 0.4], [1, 0, 1, 0]))).toEqual({ auroc: 0.5, ci95: null });
    expect(auroc(judge([0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0]))).toEqual({ auroc: 1, ci95: null });
    expect(auroc(judge([0.9, 0.8, 0.85], [1, 1, 0]))).toEqual({ auroc: 0.5, ci95: null });
  });
  test('unmoved by any rising transformation, mirrored by a falling one', () => {
    const answers = fc.array(
      fc.record({ confidence: fc.integer({ min: 0, max: 20 }), correct: fc.boolean() }),
      { minLength: 2 },
    );
    fc.assert(
      fc.property(answers, (given) => {
        const plain = auroc(given).auroc;
        const moved = (change: (x: number) => number) =>
          auroc(given.map(({ confidence, correct }) => ({ confidence: change(confidence), correct }))).auroc;
        expect(moved((x) => x ** 3 / 8000)).toBe(plain);
        if (plain !== null) expect(moved((x) => -x)).toBeCloseTo(1 - plain, 12);
      }),
    );
  });
});

describe('calibration error', () => {
  test('bins are closed above, the first at 0 too', () => {
    // 0.1 belongs to the first bin, 0.1000001 to the second: alone in its bin each is off by itself.
    expect(calibrationError(judge([0, 0.1], [0, 0]), 10)).toBeCloseTo(0.05, 12);
    expect(calibrationError(judge([0.05, 0.1], [0, 1]), 10)).toBeCloseTo((1 - 0.15) / 2, 12);
    expect(calibrationError(judge([0.1, 0.1000001], [1, 0]), 10)).toBeCloseTo((0.9 + 0.1000001) / 2, 12);
    expect(calibrationError(judge([1], [1]), 10)).toBe(0);
  });
  test('equal mass: two bins of two, ties shared out', () => {
    expect(equalMassCalibrationError(judge([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]), 2)).toBeCloseTo(0.15, 12);
    expect(equalMassCalibrationError(judge([0.5, 0.5, 0.5, 0.5], [1, 1, 0, 0]), 2)).toBe(0);
  });
  test('null without answers', () => {
    expect([
      calibrationError([], 10),
      equalMassCalibrationError([], 10),
      brierScore([]),
      riskCoverageArea([]),
    ]).toEqual([null, null, null, null]);
  });
});

describe('risk–coverage area', () => {
  test.each(fixture.riskCoverage)('the mean over every order ties allow', ({ confidence, correct, area }) => {
    expect(riskCoverageArea(judge(confidence, correct))).toBeCloseTo(area, 12);
  });
});
