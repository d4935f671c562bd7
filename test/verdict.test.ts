import { describe, expect, test } from 'vitest';
import type { Verdict } from '../src/record.ts';
import { worstVerdict } from '../src/record.ts';
import { decideVerdict, type VerdictEvidence, verdictExitCode } from '../src/verdict.ts';

const evidence = (
  delta: number | null,
  interval: [number, number] | null,
  over: Partial<VerdictEvidence> = {},
): VerdictEvidence => ({
  deltaPoints: delta,
  ci95Points: interval,
  worstCaseHighPoints: interval ? interval[1] : null,
  unscoredShare: 0,
  ...over,
});

describe('one metric, margin 5 points', () => {
  const cases: [string, VerdictEvidence, Verdict, Verdict][] = [
    ['no change, narrow', evidence(0, [-2, 2]), 'PASS', 'PASS'],
    ['better', evidence(-20, [-25, -15]), 'PASS', 'PASS'],
    ['worse, but surely by less than the margin', evidence(2, [0.5, 4.9]), 'PASS', 'PASS'],
    ['upper end on the margin', evidence(2, [-1, 5]), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    [
      'upper end on the margin, worst case under it',
      evidence(2, [-1, 5], { worstCaseHighPoints: 4 }),
      'INCONCLUSIVE',
      'INCONCLUSIVE',
    ],
    ['no change, wide', evidence(0, [-6, 6]), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    ['worse for certain, but under the margin', evidence(4.9, [1, 9]), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    ['on the margin, worse for certain', evidence(5, [1, 9]), 'FAIL', 'INCONCLUSIVE'],
    ['over the margin, not worse for certain', evidence(8, [-1, 17]), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    ['over the margin, lower end 0', evidence(8, [0, 16]), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    ['worse by more than the margin for certain', evidence(20, [15, 25]), 'FAIL', 'FAIL'],
    ['lower end on the margin', evidence(10, [5, 15]), 'FAIL', 'INCONCLUSIVE'],
    ['undefined', evidence(null, null), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    ['no interval', evidence(3, null), 'INCONCLUSIVE', 'INCONCLUSIVE'],
    [
      'PASS undone by the worst case of the unscored',
      evidence(0, [-2, 2], { worstCaseHighPoints: 5 }),
      'INCONCLUSIVE',
      'INCONCLUSIVE',
    ],
    [
      'PASS with an undefined worst case',
      evidence(0, [-2, 2], { worstCaseHighPoints: null }),
      'INCONCLUSIVE',
      'INCONCLUSIVE',
    ],
    ['FAIL needs no worst case', evidence(20, [15, 25], { worstCaseHighPoints: 40 }), 'FAIL', 'FAIL'],
    ['5 % unscored is still interpretable', evidence(20, [15, 25], { unscoredShare: 0.05 }), 'FAIL', 'FAIL'],
    [
      'over 5 % unscored, bad',
      evidence(20, [15, 25], { unscoredShare: 0.051 }),
      'INCONCLUSIVE',
      'INCONCLUSIVE',
    ],
    [
      'over 5 % unscored, good',
      evidence(0, [-1, 1], { unscoredShare: 0.051 }),
      'INCONCLUSIVE',
      'INCONCLUSIVE',
    ],
  ];
  test.each(cases)('%s', (_, given, loose, strict) => {
    expect([decideVerdict(given, 5, false), decideVerdict(given, 5, true)]).toEqual([loose, strict]);
  });
  test('PASS is tested before FAIL: a wide margin forgives a certain small loss', () => {
    expect(decideVerdict(evidence(20, [15, 25]), 30, false)).toBe('PASS');
  });
  test('a difference that is on the margin but for rounding is on it', () => {
    expect(100 * 0.29).toBeLessThan(29);
    expect(decideVerdict(evidence(100 * 0.29, [20, 38]), 29, false)).toBe('FAIL');
  });
});

test('FAIL outranks INCONCLUSIVE outranks PASS; nothing checked is not a PASS', () => {
  expect(worstVerdict(['PASS', 'INCONCLUSIVE', 'FAIL'])).toBe('FAIL');
  expect(worstVerdict(['PASS', 'INCONCLUSIVE', 'PASS'])).toBe('INCONCLUSIVE');
  expect(worstVerdict(['PASS', 'PASS'])).toBe('PASS');
  expect(worstVerdict([])).toBe('INCONCLUSIVE');
});

test('exit codes', () => {
  expect((['PASS', 'FAIL', 'INCONCLUSIVE'] as const).map(verdictExitCode)).toEqual([0, 2, 4]);
});
