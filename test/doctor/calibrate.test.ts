import { expect, test } from 'vitest';
import { builtin } from '../../src/builtin.ts';
import { calibrateEntailmentJudge } from '../../src/doctor/calibrate.ts';
import type { Evidence } from '../../src/doctor/evidence.ts';
import { mockModel } from '../../src/models/mock.ts';
import { answerClusters } from '../../src/scorers/answer-clusters.ts';
import { equalAnswers } from '../../src/scorers/entailment.ts';

const evidence = (judge: object | null) =>
  ({ config: { suites: { drift: { semanticEntropy: judge && { judge } } } } }) as unknown as Evidence;
const tried = (answer: (prompt: string) => string) =>
  calibrateEntailmentJudge(
    evidence({ path: 'judge' }),
    {
      ...builtin,
      clusterJudge: async () => answerClusters(mockModel({ answer: ([turn]) => answer(turn!.content) })),
    },
    {},
  );

test('a judge of entailment that knows equal answers from different ones is in order', async () => {
  const knows = (prompt: string) =>
    equalAnswers.some((pair) => pair.every((text) => prompt.includes(text))) ? 'Yes' : 'No';
  expect(await tried(knows)).toMatchObject([
    {
      check: 'judge-calibration',
      status: 'ok',
      message: 'entailment: 8 of 8 known equal answers called equal, 8 of 8 different ones different',
    },
  ]);
});

test('one that says yes to everything, or no, is a problem', async () => {
  for (const word of ['Yes', 'No'])
    expect(await tried(() => word)).toMatchObject([{ check: 'judge-calibration', status: 'problem' }]);
});

test('without such a judge there is nothing to try', async () => {
  expect(await calibrateEntailmentJudge(evidence(null), builtin, {})).toEqual([]);
});
