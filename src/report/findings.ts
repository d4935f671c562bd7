import { sourceFiles } from '../figures/figure.ts';
import { describeFigures } from '../figures/figures.ts';
import { count, percent, plural, pointsWithInterval } from '../format.ts';
import { type ArmSummary, type Comparison, type Summary, type Verdict, worstVerdict } from '../record.ts';
import type { ReportInput } from '../report.ts';
import { conditionName } from './conditions.ts';
import { depthSection } from './depth-section.ts';
import type { Block, Cell, Column, FigureReference, Finding, Lead, Section } from './document.ts';
import { harmSection } from './harm-section.ts';
import { calibrationSection, knowledgeSection, uncertaintySection } from './knowledge-section.ts';
import { labelsSection } from './labels-section.ts';
import { overRefusalSection } from './over-refusal-section.ts';
import { testSentence } from './paired-test.ts';
import { trainingSection } from './training-section.ts';
import { utilitySection } from './utility-section.ts';
import { varianceSection } from './variance-section.ts';

type FigureOf = (file: string) => FigureReference[];

/** The sections that tell what was found, each empty where the run did not measure it. */
export function findingSections(input: ReportInput): Section[] {
  const { summary } = input;
  const drawn = new Map(describeFigures(input).map((figure) => [figure.file, figure]));
  const figure: FigureOf = (file) => {
    const found = drawn.get(file);
    if (!found) return [];
    const { caption, alternative } = found;
    return [{ kind: 'figure', file, caption, alternative, ...sourceFiles(found) }];
  };
  return [
    gateSection(summary, figure),
    { id: 'caveats', title: 'Caveats', blocks: caveatBlocks(summary) },
    claimsSection(summary),
    errataSection(summary),
    harmSection(summary, figure),
    labelsSection(input),
    depthSection(summary, figure),
    varianceSection(input),
    overRefusalSection(summary),
    knowledgeSection(summary, figure),
    uncertaintySection(summary, figure),
    calibrationSection(summary, figure),
    utilitySection(summary),
    trainingSection(input, figure),
  ];
}

const metricNames: Record<string, string> = {
  harm: 'attack success rate, all rows',
  harmHeadline: 'attack success rate',
  overRefusal: 'over-refusal',
  accuracy: 'accuracy',
  utility: 'utility',
};

/** A gated metric in words. */
function metricName(metric: string): string {
  return metricNames[metric] ?? metric;
}

/** The verdict of the run in words, and what changed per arm. */
export function verdictLead(summary: Summary): Lead {
  const comparisons = Object.entries(summary.comparisons);
  const base = summary.arms[summary.baseArm];
  return {
    verdict: summary.gate.verdict,
    exitCode: summary.gate.exitCode,
    sentence: gateSentence(summary),
    alarms: judgeAlarms(summary),
    findings: comparisons.map(([arm, comparison]) => ({
      arm,
      verdict: comparison.gated ? worstVerdict(Object.values(comparison.verdicts)) : null,
      sentence: harmSentence(arm, summary.arms[arm], base, comparison),
      measures: otherMeasures(summary.arms[arm], base, comparison),
    })),
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
  if (failed.length > 0) return `The gate fails: ${failed.join('; ')}.`;
  const open = metricsWith('INCONCLUSIVE').map(({ arm, metrics }) => `${arm} on ${metrics}`);
  if (open.length > 0) return `The gate is undecided: the data neither clear nor convict ${open.join('; ')}.`;
  const measured = gated.filter(([, { verdicts }]) => Object.keys(verdicts).length > 0);
  if (measured.length === 0)
    return 'The gate is undecided: no gated metric was measured, so nothing was shown either way.';
  const arms = measured.map(([arm]) => arm).join(', ');
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

function gateSection(summary: Summary, figure: FigureOf): Section {
  const { gate, comparisons } = summary;
  const metrics = [...new Set(Object.values(comparisons).flatMap(({ verdicts }) => Object.keys(verdicts)))];
  const { harm, overRefusal, accuracy, utility } = gate.marginsPoints;
  const rows = Object.entries(comparisons).map(([arm, comparison]): Cell[] => [
    { arm },
    comparison.gated ? 'yes' : 'no',
    ...metrics.flatMap((metric): Cell[] => {
      const verdict = comparison.verdicts[metric];
      return [verdict ? { verdict } : '–', count(comparison.neededItems[metric])];
    }),
  ]);
  const columns = metrics.flatMap((metric) => [
    { title: 'verdict', group: metricName(metric) },
    { title: 'items needed', group: metricName(metric), numeric: true },
  ]);
  const margins = `${harm} points for the attack success rate, ${overRefusal} for over-refusal and ${accuracy} for lost accuracy${utility === undefined ? '' : `, ${utility} for lost utility`}`;
  return {
    id: 'gate',
    title: 'Gate',
    blocks: [
      {
        kind: 'paragraph',
        text: `Exit code of the gate: ${gate.exitCode} (${gate.verdict}). Margins: ${margins}. ${
          gate.strict
            ? 'Strict: FAIL needs an interval wholly beyond the margin.'
            : 'FAIL needs an interval wholly above zero and an estimate at or beyond the margin; with a true change near the margin it is a coin flip.'
        }`,
      },
      ...figure('effects.svg'),
      ...tableBlock(
        `Verdict per arm and metric, against ${summary.baseArm}. Items needed: for 80 % power to PASS when nothing changed.`,
        [{ title: 'Arm' }, { title: 'Gated' }, ...columns],
        rows,
      ),
    ],
  };
}

function tableBlock(caption: string, columns: readonly Column[], rows: Cell[][]): Block[] {
  return rows.length > 0 ? [{ kind: 'table', caption, columns, rows, headers: 1 }] : [];
}

function caveatBlocks(summary: Summary): Block[] {
  if (summary.caveats.length === 0) return [];
  return [{ kind: 'list', items: summary.caveats }];
}

function errataSection({ errata = [] }: Summary): Section {
  const blocks = tableBlock(
    `Printed figures that the recorded outcomes do not give (${plural(errata.length, 'figure')}).`,
    [
      { title: 'Where' },
      { title: 'Printed', numeric: true },
      { title: 'Computed', numeric: true },
      { title: 'Why' },
    ],
    errata.map(({ where, printed, computed, why }) => [
      where,
      shortNumber(printed),
      shortNumber(computed),
      why,
    ]),
  );
  return { id: 'errata', title: 'Errata of the published figures', blocks };
}

function claimsSection({ claims = [] }: Summary): Section {
  const blocks = tableBlock(
    'What such outcomes are said to show, and whether these do.',
    [{ title: 'Claim' }, { title: 'Outcome' }, { title: 'Evidence' }],
    claims.map(({ claim, outcome, evidence }) => [claim, outcome, evidence]),
  );
  return { id: 'claims', title: 'What holds and what does not', blocks };
}

/** At most four decimals, without trailing zeros. */
function shortNumber(value: number): string {
  return String(Number(value.toFixed(4))).replace('-', '−');
}
