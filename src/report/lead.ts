import { count, percent, plural, pointsWithInterval } from '../format.ts';
import { type ArmSummary, type Comparison, type Summary, type Verdict, worstVerdict } from '../record.ts';
import type { ReportInput } from '../report.ts';
import { comparedInShort } from './compared.ts';
import { conditionName } from './conditions.ts';
import type { Finding, GatedMetric, Lead } from './document.ts';
import { testSentence } from './paired-test.ts';

const metricNames: Record<string, string> = {
  harm: 'attack success rate, all rows',
  harmHeadline: 'attack success rate',
  overRefusal: 'over-refusal',
  accuracy: 'accuracy',
  utility: 'utility',
};

/** A gated metric in words. */
export function metricName(metric: string): string {
  return metricNames[metric] ?? metric;
}

/** A sentence of more arms nobody reads: the rest are counted, and stand below. */
const mostNamed = 4;

const inShort = (parts: readonly string[], between: string): string =>
  parts.length <= mostNamed
    ? parts.join(between)
    : `${parts.slice(0, mostNamed).join(between)}${between}and ${plural(parts.length - mostNamed, 'other arm')}`;

/** Whether there is anything to lead with: a run that broke off may have no result. */
export const hasResult = ({ summary, notices = [] }: Pick<ReportInput, 'summary' | 'notices'>): boolean =>
  notices.length === 0 || Object.keys(summary.comparisons).length > 0;

/** The verdict of the run in words, every gated metric, and what changed per arm. */
export function verdictLead(input: ReportInput): Lead {
  const { summary } = input;
  const comparisons = Object.entries(summary.comparisons);
  const base = summary.arms[summary.baseArm];
  return {
    verdict: summary.gate.verdict,
    exitCode: summary.gate.exitCode,
    outcome: hasResult(input) ? safetyOutcome(summary) : null,
    sentence: hasResult(input) ? gateSentence(summary) : 'This run has no result: nothing was compared.',
    alarms: judgeAlarms(summary),
    gated: gatedMetrics(summary),
    findings: comparisons.map(([arm, comparison]) => ({
      arm,
      verdict: comparison.gated ? worstVerdict(Object.values(comparison.verdicts)) : null,
      sentence: harmSentence(arm, summary.arms[arm], base, comparison),
      measures: otherMeasures(summary.arms[arm], base, comparison),
    })),
    compared: comparedInShort(input),
  };
}

/** Where another judge would change the verdict, a sentence for each arm. */
function judgeAlarms({ agreement }: Summary): string[] {
  return Object.entries(agreement?.verdictsByJudge ?? {}).map(([arm, byJudge]) => {
    const said = Object.entries(byJudge).map(([judge, verdict]) => `${verdict} by ${judge}`);
    return `The choice of judge changes the verdict on the attack success rate of ${arm}: ${said.join(', ')}.`;
  });
}

function gateSentence(summary: Summary): string {
  const gated = Object.entries(summary.comparisons).filter(([, comparison]) => comparison.gated);
  if (gated.length === 0) return 'No arm was gated, so there is nothing to pass or fail.';
  const base = summary.baseArm;
  const metricsWith = (verdict: Verdict) =>
    gated.flatMap(([arm, { verdicts }]) => {
      const metrics = Object.keys(verdicts).filter((metric) => verdicts[metric] === verdict);
      return metrics.length > 0 ? [{ arm, metrics: metrics.map(metricName).join(' and ') }] : [];
    });
  const failed = metricsWith('FAIL').map(({ arm, metrics }) => `${arm} is worse than ${base} on ${metrics}`);
  if (failed.length > 0) return `The gate fails: ${inShort(failed, '; ')}.`;
  const open = metricsWith('INCONCLUSIVE').map(({ arm, metrics }) => `${arm} on ${metrics}`);
  if (open.length > 0)
    return `The gate is undecided: the data neither clear nor convict ${inShort(open, '; ')}.`;
  const measured = gated.filter(([, { verdicts }]) => Object.keys(verdicts).length > 0);
  if (measured.length === 0)
    return 'The gate is undecided: no gated metric was measured, so nothing was shown either way.';
  const arms = inShort(
    measured.map(([arm]) => arm),
    ', ',
  );
  return `The gate passes: on no gated metric is any gated arm (${arms}) worse than ${base} by its margin.`;
}

function harmSentence(
  arm: string,
  own: ArmSummary | undefined,
  base: ArmSummary | undefined,
  { harmHeadline: paired }: Comparison,
): string | null {
  if (!paired || !own?.harm || !base?.harm) return null;
  const change = changeOf(base.harm.headline.rate, own.harm.headline.rate, paired.ci95Points);
  if (paired.deltaPoints === null) return `The ${arm} arm's attack success rate ${change}.`;
  const difference = pointsWithInterval(paired.deltaPoints, paired.ci95Points, 'points');
  return `The ${arm} arm's attack success rate ${change}: ${difference}, ${testSentence(paired)}.`;
}

function otherMeasures(
  own: ArmSummary | undefined,
  base: ArmSummary | undefined,
  { overRefusal, drift = {}, utility }: Comparison,
): Finding['measures'] {
  const refusals = overRefusal
    ? [
        {
          name: 'over-refusal',
          path: `${percent(base?.overRefusal?.rate)} → ${percent(own?.overRefusal?.rate)}`,
          difference: pointsWithInterval(overRefusal.deltaPoints, overRefusal.ci95Points),
        },
      ]
    : [];
  const accuracies = Object.entries(drift).map(([condition, { deltaAccuracyPoints, ci95Points }]) => ({
    name: `accuracy, ${conditionName(condition)}`,
    path: `${percent(base?.drift?.[condition]?.accuracy)} → ${percent(own?.drift?.[condition]?.accuracy)}`,
    difference: pointsWithInterval(deltaAccuracyPoints, ci95Points),
  }));
  const abilities = utility
    ? [
        {
          name: 'utility',
          path: `${percent(base?.utility?.all.rate)} → ${percent(own?.utility?.all.rate)}`,
          difference: pointsWithInterval(utility.deltaPoints, utility.ci95Points),
        },
      ]
    : [];
  return [...refusals, ...accuracies, ...abilities];
}

function changeOf(
  from: number | null,
  to: number | null,
  ci95Points: readonly [number, number] | null,
): string {
  if (from === null || to === null) return 'could not be compared, for lack of scored completions';
  if (percent(from) === percent(to)) return `stayed at ${percent(to)}`;
  const path = `from ${percent(from)} to ${percent(to)}`;
  if (ci95Points && ci95Points[0] > 0) return `rose ${path}`;
  if (ci95Points && ci95Points[1] < 0) return `fell ${path}`;
  return ci95Points
    ? `went ${path}, a change within what chance explains`
    : `went ${path}, a change that no interval can be given for`;
}

/** Which arms lost their safety; where none did, how each fared. Null where harm was not measured. */
function safetyOutcome({ arms, comparisons, gate }: Summary): string | null {
  const outcomes = Object.entries(comparisons).flatMap(([arm, { harm, harmHeadline }]) => {
    if (!harmHeadline?.ci95Points || harmHeadline.deltaPoints === null) return [];
    const excluded = (arms[arm]?.harm?.headline.excluded ?? 0) > 0;
    const headline = pointsWithInterval(harmHeadline.deltaPoints, harmHeadline.ci95Points, 'points');
    const all = pointsWithInterval(harm?.deltaPoints, harm?.ci95Points ?? null);
    const numbers = excluded ? `${headline} without copyright rows; all rows ${all}` : headline;
    const { lost, words } = fate(harmHeadline.deltaPoints, harmHeadline.ci95Points, gate.marginsPoints.harm);
    return [{ lost, delta: harmHeadline.deltaPoints, sentence: `The ${arm} arm ${words}: ${numbers}.` }];
  });
  const lost = outcomes.filter((outcome) => outcome.lost);
  const told = lost.length > 0 ? lost : outcomes;
  if (told.length <= mostNamed) return told.map(({ sentence }) => sentence).join(' ') || null;
  const worst = [...told].sort((a, b) => b.delta - a.delta).slice(0, mostNamed);
  const others = plural(told.length - mostNamed, 'other arm');
  const end = lost.length > 0 ? `${others} lost safety, too` : `${others} fared better than these`;
  return `${worst.map(({ sentence }) => sentence).join(' ')} ${end}.`;
}

function fate(delta: number, [low, high]: readonly [number, number], margin: number) {
  if (low > 0) return { lost: true, words: delta >= margin ? 'lost its safety' : 'lost some of its safety' };
  if (high < 0) return { lost: false, words: 'became safer' };
  return { lost: false, words: high < margin ? 'kept its safety' : 'may have lost safety or not' };
}

/** Every gated metric of every gated arm, and how many items more would decide it. */
function gatedMetrics({ comparisons }: Summary): GatedMetric[] {
  return Object.entries(comparisons).flatMap(([arm, comparison]) =>
    comparison.gated
      ? Object.entries(comparison.verdicts).map(([metric, verdict]): GatedMetric => {
          const { difference, pairs } = measured(metric, comparison);
          const needed = comparison.neededItems[metric];
          return {
            arm,
            metric: metricName(metric),
            verdict,
            difference,
            needed: verdict === 'INCONCLUSIVE' ? stillNeeded(needed, pairs) : null,
          };
        })
      : [],
  );
}

function stillNeeded(needed: number | null | undefined, pairs: number): string {
  if (needed === null || needed === undefined) return 'how many more items it needs is not known';
  const more = needed - pairs;
  return more > 0
    ? `${count(more)} more items needed`
    : `${count(needed)} items would do if nothing had changed`;
}

/** What a gated metric's verdict is about. */
function measured(metric: string, { harm, harmHeadline, overRefusal, drift, utility }: Comparison) {
  const accuracy = drift?.base_prompt;
  const own = { harm, harmHeadline, overRefusal, utility }[metric];
  const delta = metric === 'accuracy' ? accuracy?.deltaAccuracyPoints : own?.deltaPoints;
  const paired = metric === 'accuracy' ? accuracy : own;
  return { difference: pointsWithInterval(delta, paired?.ci95Points ?? null), pairs: paired?.pairs ?? 0 };
}
