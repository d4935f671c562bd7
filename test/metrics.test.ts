import { describe, expect, test } from 'vitest';
import { harmMetrics, overRefusalMetrics } from '../src/metrics.ts';
import { joinOutcomes, type SuiteJudge } from '../src/outcomes.ts';
import { createRandom } from '../src/random.ts';
import { wilsonInterval } from '../src/stats.ts';
import { harmRun, ids, judgeOf, planned, refusalRun } from './outcome-records.ts';

const harmJudge = judgeOf('harm') as SuiteJudge & { suite: 'harm' };
const secondJudge = judgeOf('harm', 'second') as SuiteJudge & { suite: 'harm' };
const refusalJudge = judgeOf('over-refusal') as SuiteJudge & { suite: 'over-refusal' };

const items = [
  ...planned(['a', 'b', 'c'], { functionalCategory: 'standard', semanticCategory: 'illegal' }),
  ...planned(['d', 'e'], { functionalCategory: 'copyright', semanticCategory: 'copyright' }),
  ...planned(['f'], { functionalCategory: 'contextual', semanticCategory: 'illegal' }),
  ...planned(['g']),
];
const run = harmRun({ base: 'us?uusu' }, items);
const rows = joinOutcomes([run.suite], run.items, run.verdicts)('base', harmJudge);
const rate = (unsafe: number, scored: number, unscored = 0) => ({
  unsafe,
  scored,
  unscored,
  rate: unsafe / scored,
  ci95: wilsonInterval(unsafe, scored),
  bounds: [unsafe / (scored + unscored), (unsafe + unscored) / (scored + unscored)],
});

describe('harm', () => {
  test('all rows, the headline without copyright, by category, per judge', () => {
    const other = harmRun({ base: 'uuuuuuu' }, items, secondJudge);
    const secondRows = joinOutcomes([run.suite], other.items, other.verdicts)('base', secondJudge);
    expect(harmMetrics(rows, { 'harm judge': rows, second: secondRows })).toEqual({
      all: rate(4, 6, 1),
      headline: { ...rate(2, 4, 1), excluded: 2 },
      byFunctionalCategory: { contextual: rate(0, 1), copyright: rate(2, 2), standard: rate(1, 2, 1) },
      bySemanticCategory: { copyright: rate(2, 2), illegal: rate(1, 3, 1) },
      judges: { 'harm judge': rate(4, 6, 1), second: rate(7, 7) },
      cutOff: 0,
    });
  });

  test('without a copyright row the headline is everything, and says excluded: 0', () => {
    const plain = harmRun({ base: 'us' }, planned(['a', 'b'], { functionalCategory: 'standard' }));
    const { all, headline } = harmMetrics(
      joinOutcomes([plain.suite], plain.items, plain.verdicts)('base', harmJudge),
      {},
    );
    expect(headline).toEqual({ ...all, excluded: 0 });
  });

  test('a cut-off completion is judged and counted, not unscored', () => {
    const cut = run.items.map((item) => ({
      ...item,
      finishReason: item.id < 'c' ? ('length' as const) : item.finishReason,
    }));
    const metrics = harmMetrics(joinOutcomes([run.suite], cut, run.verdicts)('base', harmJudge), {});
    expect(metrics.cutOff).toBe(2);
    expect(metrics.all).toEqual(rate(4, 6, 1));
  });

  test('a planned prompt without record or verdict is unscored, never safe', () => {
    const missing = joinOutcomes([run.suite], run.items.slice(1), run.verdicts.slice(1))('base', harmJudge);
    expect(harmMetrics(missing, {}).all).toEqual(rate(3, 5, 2));
  });

  test('verdicts of another judge or of another fingerprint are not counted', () => {
    const stale = run.verdicts.map((verdict) => ({ ...verdict, judgeFingerprint: 'older' }));
    const all = (verdicts: typeof run.verdicts, judge = harmJudge) =>
      harmMetrics(joinOutcomes([run.suite], run.items, verdicts)('base', judge), {}).all;
    expect(all(stale)).toMatchObject({ scored: 0, unscored: 7, rate: null, ci95: null, bounds: [0, 1] });
    expect(all(run.verdicts, secondJudge)).toMatchObject({ scored: 0, unscored: 7 });
    expect(all([...run.verdicts, ...stale])).toEqual(rate(4, 6, 1));
  });

  test('the order of the records is nothing', () => {
    const random = createRandom('order');
    const shuffled = joinOutcomes(
      [run.suite],
      random.shuffle(run.items),
      random.shuffle(run.verdicts),
    )('base', harmJudge);
    expect(harmMetrics(shuffled, { judge: shuffled })).toEqual(harmMetrics(rows, { judge: rows }));
    expect(shuffled.map(({ completions }) => completions[0]!.record)).toEqual(
      rows.map(({ completions }) => completions[0]!.record),
    );
  });

  test('several repeats: the mean of item shares, a missing repeat unscored', () => {
    const repeated = harmRun({ base: ['uuss', 'usss', 'uus '] }, planned(ids(4)));
    const all = harmMetrics(
      joinOutcomes([repeated.suite], repeated.items, repeated.verdicts)('base', harmJudge),
      {},
    ).all;
    expect(all).toMatchObject({ unsafe: 5, scored: 11, unscored: 1, repeats: 3, worstOfRepeats: 0.5 });
    expect(all.rate).toBeCloseTo((1 + 2 / 3) / 4, 12);
    expect(all.bounds![1]).toBeCloseTo((1 + 2 / 3 + 1 / 3) / 4, 12);
  });
});

test('over-refusal: direct and indirect refusals are refusals, unscored is neither', () => {
  const refusals = refusalRun({ base: 'aarri?a' }, planned(ids(7)));
  const base = joinOutcomes([refusals.suite], refusals.items, refusals.verdicts)('base', refusalJudge);
  expect(overRefusalMetrics(base)).toEqual({
    refused: 3,
    scored: 6,
    unscored: 1,
    rate: 0.5,
    ci95: wilsonInterval(3, 6),
    bounds: [3 / 7, 4 / 7],
    direct: 2,
    indirect: 1,
    cutOff: 0,
  });
});
