import { expect, test } from 'vitest';
import { joinOutcomes, type SuiteJudge } from '../src/outcomes.ts';
import type { VerdictRecord } from '../src/record.ts';
import { answerSpreads, clusterEntropy } from '../src/semantic-entropy.ts';
import { driftRun, ids, judgeOf, planned, record } from './outcome-records.ts';

test.each([
  [[0, 0, 0, 0], 0],
  [[0, 1], Math.LN2],
  [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], Math.log(10)],
  // By hand: −(0.7 ln 0.7 + 0.2 ln 0.2 + 0.1 ln 0.1).
  [[0, 0, 0, 0, 0, 0, 0, 1, 1, 2], 0.8018185525433372],
])('entropy of %j', (clusters, entropy) => expect(clusterEntropy(clusters)).toBeCloseTo(entropy, 12));

test('no samples have none, and one meaning is 0, not −0', () => {
  expect(clusterEntropy([])).toBeNull();
  expect(Object.is(clusterEntropy([2, 2]), 0)).toBe(true);
});

/** A string of clusters per question; `?` is unscored, a blank no verdict. */
function spreads(correct: string, clusters: readonly string[], condition = 'base_prompt') {
  const items = planned(ids(clusters.length, 'question'), { condition });
  const drift = driftRun({ arm: correct }, items);
  const judge = judgeOf('semantic-entropy');
  const places = clusters.flatMap((letters, item) =>
    [...letters].map((letter, repeat) => ({
      place: { arm: 'arm', suite: 'semantic-entropy' as const, id: items[item]!.id, condition, repeat },
      letter,
    })),
  );
  const verdicts = places.flatMap(({ place, letter }): VerdictRecord[] =>
    letter === ' '
      ? []
      : [
          {
            schema: 'aftertune/verdict@1',
            batchKey: 'v',
            judge: judge.name,
            judgeFingerprint: judge.fingerprint,
            ...place,
            method: 'entailment',
            ...(letter === '?'
              ? { label: 'unscored', reason: 'judge_parse', cluster: null }
              : { label: 'clustered', reason: null, cluster: Number(letter) }),
          },
        ],
  );
  const rowsOf = joinOutcomes(
    [drift.suite, { kind: 'semantic-entropy', items }],
    [...drift.items, ...places.map(({ place }) => record(place))],
    [...drift.verdicts, ...verdicts],
  );
  const samples = rowsOf('arm', judge as SuiteJudge & { suite: 'semantic-entropy' });
  const answers = rowsOf('arm', judgeOf('drift') as SuiteJudge & { suite: 'drift' });
  return answerSpreads(samples, answers, 'default').get(condition)!;
}

test('low entropy tells right answers: the area is that of −entropy', () => {
  const { method, spread } = spreads('ccww', ['0000', '0001', '0012', '0123']);
  expect(method).toBe('entailment');
  expect(spread).toMatchObject({ samples: 4, n: 4, unscored: 0, auroc: 1 });
  const entropies = [[4], [3, 1], [2, 1, 1], [1, 1, 1, 1]].map((counts) =>
    counts.reduce((sum, k) => sum - (k / 4) * Math.log(k / 4), 0),
  );
  expect(spread.mean).toBeCloseTo(entropies.reduce((a, b) => a + b, 0) / 4, 12);
  expect(spreads('wwcc', ['0000', '0001', '0012', '0123']).spread.auroc).toBe(0);
});

test('a question with an unscored or a missing sample has no entropy and is counted; one class has no area', () => {
  const { spread } = spreads('ccc', ['0011', '00?1', '001 ']);
  expect(spread).toEqual({
    samples: 4,
    n: 1,
    unscored: 2,
    mean: expect.closeTo(Math.LN2, 12),
    auroc: null,
    aurocCi95: null,
  });
  expect(spreads('c', ['????']).spread.mean).toBeNull();
});
