import { describe, expect, test } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { mockModel } from '../../src/models/mock.ts';
import { answerClusters } from '../../src/scorers/answer-clusters.ts';
import { differentAnswers, equalAnswers, readYesOrNo } from '../../src/scorers/entailment.ts';
import { answered } from './answered.ts';

const samples = (id: string, answers: readonly string[]) =>
  answers.map((completion) => {
    const one = answered(completion, { judgePrompt: 'Which tree?' });
    return { ...one, item: { ...one.item, id } };
  });
const clusters = (verdicts: readonly object[]) =>
  verdicts.map((verdict) => ('cluster' in verdict ? verdict.cluster : null));

const known = [...equalAnswers, ...differentAnswers];
const isKnown = (text: string) => known.some((pair) => pair.includes(text));
const knowsPairs = (prompt: string) =>
  equalAnswers.some((pair) => pair.every((text) => prompt.includes(text)));

/** Says that one answer entails another where the table has them, as "first>second". */
function judgeOf(entails: readonly string[], asked: string[] = []) {
  return mockModel({
    batchSize: 3,
    answer: (messages) => {
      const [, first, second] = /first said: (.*)\nThe second said: (.*)\n/.exec(messages[0]!.content)!;
      if (isKnown(first!)) return knowsPairs(messages[0]!.content) ? 'Yes.' : 'No';
      asked.push(`${first}>${second}`);
      return entails.includes(`${first}>${second}`) ? 'Yes.' : 'No';
    },
  });
}

describe('a reply', () => {
  test.each([
    ['yes', true],
    [' **Yes**, it must.', true],
    ['"No."', false],
    ['NO\n', false],
    ['yes or no', null],
    ['Yes/No', null],
    ['yes and no', null],
    ['yesterday', null],
    ['not at all', null],
    ['The answer is yes', null],
    ['', null],
  ])('%j is %s', (reply, read) => expect(readYesOrNo(reply)).toBe(read));
});

test('by text alone: case, articles and punctuation apart, without a model', async () => {
  const scorer = answerClusters(null);
  expect(scorer.name).toBe('normalised');
  const verdicts = await scorer.score(samples('a', ['The oak.', 'elm', 'Oak', 'an oak tree', '']));
  expect(clusters(verdicts)).toEqual([0, 1, 0, 2, 3]);
  expect(verdicts[0]).toEqual({ label: 'clustered', cluster: 0, method: 'normalised' });
});

test('one meaning needs both directions; who joins is compared with a cluster’s first answer alone', async () => {
  const asked: string[] = [];
  // a ⇔ b and b ⇔ c, but a and c do not entail each other: c does not join by way of b. d entails a, not back.
  const scorer = answerClusters(judgeOf(['a1>b', 'b>a1', 'b>c', 'c>b', 'd>a1'], asked));
  const verdicts = await scorer.score(samples('q', ['a1', 'b', 'c', 'd', 'A1', 'b']));
  expect(clusters(verdicts)).toEqual([0, 0, 1, 2, 0, 0]);
  expect(asked).toEqual(['a1>b', 'b>a1', 'a1>c', 'c>a1', 'a1>d', 'd>a1', 'c>d', 'd>c']);
});

test('questions are clustered apart, in whichever company', async () => {
  const judge = judgeOf(['x>y', 'y>x']);
  const first = samples('one', ['x', 'y', 'z']);
  const second = samples('two', ['y', 'z', 'z', 'x']);
  const together = await answerClusters(judge).score([...first, ...second]);
  expect(clusters(together)).toEqual([0, 0, 1, 0, 1, 1, 0]);
  expect(together.slice(3)).toEqual(await answerClusters(judge).score(second));
});

test('a reply that cannot be read leaves its whole question unscored, and no other', async () => {
  const judge = mockModel({
    answer: ([turn]) =>
      turn!.content.includes('fog') ? 'Perhaps' : knowsPairs(turn!.content) ? 'yes' : 'no',
  });
  const verdicts = await answerClusters(judge).score([
    ...samples('one', ['sun', 'fog', 'sun']),
    ...samples('two', ['sun', 'rain']),
  ]);
  expect(verdicts.map(({ label }) => label)).toEqual([
    ...Array(3).fill('unscored'),
    ...Array(2).fill('clustered'),
  ]);
  expect(verdicts[0]).toEqual({ label: 'unscored', reason: 'judge_parse', method: 'entailment' });
});

test('a reply that cannot be had leaves its whole question unscored, and no other', async () => {
  const good = judgeOf(['sun>day', 'day>sun']);
  const judge = {
    ...good,
    generate: async (...asked: Parameters<typeof good.generate>) => {
      if (asked[0].some(({ messages }) => messages[0]!.content.includes('fog')))
        throw new AuditError('model', 'too long');
      return good.generate(...asked);
    },
  };
  const verdicts = await answerClusters(judge).score([
    ...samples('one', ['sun', 'fog', 'day']),
    ...samples('two', ['sun', 'rain', 'day']),
  ]);
  expect(clusters(verdicts)).toEqual([null, null, null, 0, 1, 0]);
  expect(verdicts[0]).toEqual({ label: 'unscored', reason: 'judge_error', method: 'entailment' });
});

test.each([
  ['yes', '8 of 8 known equal answers called equal, 0 of 8 different ones different'],
  ['no', '0 of 8 known equal answers called equal, 8 of 8 different ones different'],
  [
    'perhaps',
    '0 of 8 known equal answers called equal, 0 of 8 different ones different, 16 replies unreadable',
  ],
])('a judge that says %s to everything scores nothing, and is told', async (word, found) => {
  const scorer = answerClusters(mockModel({ answer: () => word }));
  expect(await scorer.calibrate!()).toEqual({ reliable: false, found });
  const verdicts = await scorer.score(samples('one', ['sun', 'rain', 'sun']));
  expect(verdicts).toEqual(
    Array(3).fill({ label: 'unscored', reason: 'judge_calibration', detail: found, method: 'entailment' }),
  );
  expect(answerClusters(null).calibrate).toBeUndefined();
});

test('a judge is tried once, however often it is asked', async () => {
  let asked = 0;
  const scorer = answerClusters(
    mockModel({
      answer: ([turn]) => {
        asked++;
        return knowsPairs(turn!.content) ? 'yes' : 'no';
      },
    }),
  );
  await scorer.score(samples('one', ['sun', 'rain']));
  await scorer.score(samples('two', ['sun', 'rain']));
  expect(asked).toBe(2 * known.length + 2 * 2);
});

test('another judge is another fingerprint', () => {
  const prints = [null, mockModel({ answer: {} }), mockModel({ answer: {}, seed: 1 })].map(
    (model) => answerClusters(model).fingerprint,
  );
  expect(new Set(prints).size).toBe(3);
});
