import { expect, test } from 'vitest';
import { knownSubsets } from '../src/known-subset.ts';
import { joinOutcomes, type SuiteJudge } from '../src/outcomes.ts';
import { wilsonInterval } from '../src/stats.ts';
import { driftRun, ids, judgeOf, planned } from './outcome-records.ts';

const judge = judgeOf('drift') as SuiteJudge & { suite: 'drift' };

/** One string per condition over the same questions. */
function rowsOf(letters: Record<string, string>) {
  const runs = Object.entries(letters).map(([condition, row]) =>
    driftRun({ arm: row }, planned(ids(row.length, 'question'), { condition })),
  );
  const [items, verdicts] = [runs.flatMap((run) => run.items), runs.flatMap((run) => run.verdicts)];
  return joinOutcomes(
    runs.map(({ suite }) => suite),
    items,
    verdicts,
  )('arm', judge);
}

test('among what the arm knew, and among what the base knew', () => {
  const arm = rowsOf({ base_prompt: 'ccccww', false_context: 'cwx cx' });
  const base = rowsOf({ base_prompt: 'ccwwcc' });
  expect(knownSubsets(arm, base, 'default').false_context).toEqual({
    // Questions 0–3; the fourth has no answer.
    knownByArm: {
      n: 3,
      accuracy: 1 / 3,
      accuracyCi95: wilsonInterval(1, 3),
      adoption: 1 / 3,
      adoptionCi95: wilsonInterval(1, 3),
      correctToWrong: 2,
      wrongToCorrect: 0,
    },
    // Questions 0, 1, 4 and 5: right, wrong, wrong made right, adopted.
    knownByBase: {
      n: 4,
      accuracy: 2 / 4,
      accuracyCi95: wilsonInterval(2, 4),
      adoption: 1 / 4,
      adoptionCi95: wilsonInterval(1, 4),
      correctToWrong: 1,
      wrongToCorrect: 1,
    },
  });
});

test('nothing known is null, never 0; without a base prompt there is no subset', () => {
  const arm = rowsOf({ base_prompt: 'ww', false_context: 'xx' });
  expect(knownSubsets(arm, arm, 'default').false_context!.knownByArm).toMatchObject({
    n: 0,
    accuracy: null,
    adoption: null,
    adoptionCi95: null,
  });
  expect(knownSubsets(rowsOf({ false_context: 'xx' }), arm, 'default')).toEqual({});
});

test('in the paper’s way it is the paper’s flag that says known', () => {
  const arm = rowsOf({ base_prompt: 'cCWw', false_context: 'cccc' });
  expect(knownSubsets(arm, arm, 'default').false_context!.knownByArm!.n).toBe(2);
  expect(knownSubsets(arm, arm, 'paper').false_context!.knownByArm!.n).toBe(2);
  expect(knownSubsets(arm, rowsOf({ base_prompt: 'CCww' }), 'paper').false_context!.knownByBase!.n).toBe(0);
});
