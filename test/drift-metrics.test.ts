import { describe, expect, test } from 'vitest';
import { auroc } from '../src/calibration.ts';
import { driftMetrics, flipExcess } from '../src/drift-metrics.ts';
import { joinOutcomes, type SuiteJudge } from '../src/outcomes.ts';
import type { ItemRecord } from '../src/record.ts';
import { tangoInterval, wilsonInterval } from '../src/stats.ts';
import { driftRun, ids, judgeOf, type Letters, planned } from './outcome-records.ts';

const judge = judgeOf('drift') as SuiteJudge & { suite: 'drift' };
const conditions = ['base_prompt', 'false_context', 'random_context'];

/** One string per condition over the same questions. */
function rowsOf(letters: Record<string, Letters[string]>, over?: (letter: string) => Partial<ItemRecord>) {
  const runs = Object.entries(letters).map(([condition, row]) =>
    driftRun({ arm: row }, planned(ids([row].flat()[0]!.length, 'question'), { condition }), over),
  );
  return joinOutcomes(
    runs.map(({ suite }) => suite),
    runs.flatMap(({ items }) => items),
    runs.flatMap(({ verdicts }) => verdicts),
  )('arm', judge);
}

const sure = (letter: string): Partial<ItemRecord> => {
  const p = letter.toLowerCase() === 'c' ? 0.8 : 0.4;
  return {
    confidence: p,
    truncatedMass: 0.01,
    uncertainty: { perplexity: 1 / p, entropy: 1 - p, probability: p },
    uncertaintyPaper: { perplexity: 2, entropy: 0.5, probability: 0.5 },
  };
};

describe('one condition', () => {
  const rows = rowsOf({ base_prompt: 'ccccww', false_context: 'cwxxcx', random_context: 'ccwcw ' }, sure);

  test('a whole summary by default', () => {
    const judged = [...'cwxxcx'].map((letter) => ({
      confidence: letter === 'c' ? 0.8 : 0.4,
      correct: letter === 'c',
    }));
    expect(driftMetrics(rows, 'default').false_context).toEqual({
      mode: 'default',
      confidence: 'exp(mean log p) of the sampled tokens',
      n: 6,
      accuracy: 2 / 6,
      accuracyCi95: wilsonInterval(2, 6),
      adoption: 3 / 6,
      adoptionCi95: wilsonInterval(3, 6),
      adoptionGivenKnown: 2 / 4,
      correctToWrong: 3,
      wrongToCorrect: 1,
      exactMatch: 2 / 6,
      tokenF1: 3 / 6,
      auroc: auroc(judged).auroc,
      aurocCi95: null,
      riskCoverageArea: expect.closeTo((0 + 0 + 1 / 3 + 2 / 4 + 3 / 5 + 4 / 6) / 6, 12),
      ece: expect.closeTo((2 * 0.2 + 4 * 0.4) / 6, 12),
      eceEqualMass: expect.closeTo((2 * 0.2 + 4 * 0.4) / 6, 12),
      eceBins: 10,
      brier: expect.closeTo((2 * 0.04 + 4 * 0.16) / 6, 12),
      truncatedMass: expect.closeTo(0.01, 12),
      correct: {
        n: 2,
        perplexity: { mean: 1.25, se: 0 },
        entropy: { mean: expect.closeTo(0.2, 12), se: 0 },
        probability: { mean: 0.8, se: 0 },
      },
      incorrect: {
        n: 4,
        perplexity: { mean: 2.5, se: 0 },
        entropy: { mean: 0.6, se: 0 },
        probability: { mean: 0.4, se: 0 },
      },
    });
  });

  test('against itself the base prompt flips nothing; an unanswered question is in no count', () => {
    const { base_prompt: base, random_context: random } = driftMetrics(rows, 'default');
    expect(base).toMatchObject({
      n: 6,
      accuracy: 4 / 6,
      correctToWrong: 0,
      wrongToCorrect: 0,
      adoptionGivenKnown: 0,
    });
    expect(random).toMatchObject({ n: 5, accuracy: 3 / 5, correctToWrong: 1, wrongToCorrect: 0 });
    expect(Object.keys(driftMetrics(rows, 'default'))).toEqual(conditions);
  });

  test('the paper’s way: its own correct flag and the largest token’s probability', () => {
    // Capital letters: right by default, wrong in the paper's way, and the other way round.
    const mixed = rowsOf({ base_prompt: 'cCWw' }, sure);
    expect(driftMetrics(mixed, 'default').base_prompt).toMatchObject({
      accuracy: 0.5,
      auroc: 1,
      correct: { n: 2, probability: { mean: 0.8 } },
    });
    expect(driftMetrics(mixed, 'paper').base_prompt).toMatchObject({
      mode: 'paper',
      confidence: 'mean probability of the largest token',
      accuracy: 0.5,
      auroc: 0.5,
      ece: 0,
      brier: 0.25,
      correct: {
        n: 2,
        perplexity: { mean: 2, se: 0 },
        entropy: { mean: 0.5, se: 0 },
        probability: { mean: 0.5, se: 0 },
      },
    });
    const flips = rowsOf({ base_prompt: 'cc', false_context: 'cC' }, sure);
    expect(driftMetrics(flips, 'default').false_context!.correctToWrong).toBe(0);
    expect(driftMetrics(flips, 'paper').false_context!.correctToWrong).toBe(1);
  });

  test('answers without tokens are right or wrong, but in no mean and no calibration', () => {
    const bare = rowsOf({ base_prompt: 'ccw' });
    expect(driftMetrics(bare, 'default').base_prompt).toMatchObject({
      n: 3,
      accuracy: 2 / 3,
      auroc: null,
      ece: null,
      brier: null,
      riskCoverageArea: null,
      truncatedMass: null,
      correct: { n: 0, perplexity: { mean: null, se: null } },
    });
  });

  test('no answers at all: null, not 0', () => {
    expect(driftMetrics(rowsOf({ base_prompt: '   ' }), 'default').base_prompt).toMatchObject({
      n: 0,
      accuracy: null,
      accuracyCi95: null,
      adoption: null,
      adoptionGivenKnown: null,
      exactMatch: null,
      tokenF1: null,
    });
  });

  test('repeats are matched with the same repeat of the base prompt', () => {
    const repeated = rowsOf({ base_prompt: ['cc', 'wc'], false_context: ['xc', 'cx'] });
    const { base_prompt: base, false_context: misled } = driftMetrics(repeated, 'default');
    expect(base).toMatchObject({ n: 4, accuracy: 0.75 });
    // Known: question 0 in repeat 0 (adopted), question 1 in both (adopted once): the mean of 1 and ½.
    expect(misled).toMatchObject({
      n: 4,
      accuracy: 0.5,
      correctToWrong: 2,
      wrongToCorrect: 1,
      adoptionGivenKnown: 0.75,
    });
  });
});

describe('flip excess', () => {
  test('of the known: wrong under a false context beyond wrong under a random one', () => {
    const rows = rowsOf({ base_prompt: 'ccccccww', false_context: 'xxxxccxw', random_context: 'wcccwccc' });
    const [low, high] = tangoInterval(3, 1, 6)!;
    expect(flipExcess(rows, 'default')).toEqual({
      points: expect.closeTo(100 * (2 / 6), 12),
      ci95Points: [expect.closeTo(100 * low, 10), expect.closeTo(100 * high, 10)],
      known: 6,
    });
  });
  test('null without a known question, absent without the three conditions', () => {
    expect(
      flipExcess(rowsOf({ base_prompt: 'ww', false_context: 'xx', random_context: 'cc' }), 'default'),
    ).toEqual({
      points: null,
      ci95Points: null,
      known: 0,
    });
    expect(flipExcess(rowsOf({ base_prompt: 'cc', false_context: 'xx' }), 'default')).toBeUndefined();
  });
});
