import { count, pointsWithInterval, showInvisible } from '../format.ts';
import type { Comparison, Summary } from '../record.ts';
import { testCaption } from '../report/paired-test.ts';
import type { ReportInput } from '../report.ts';
import { shownArms } from './arm-encoding.ts';
import type { Figure } from './figure.ts';

interface Effect {
  readonly points: number | null;
  readonly ci95: readonly [number, number] | null;
  readonly pairs: number;
  readonly signFlipP?: number | null | undefined;
  readonly mcnemarP: number | null;
}

type Paired = Omit<Effect, 'points' | 'ci95'> & { readonly ci95Points: Effect['ci95'] };

const rise = (paired: (Paired & { deltaPoints: number | null }) | undefined): Effect | null =>
  paired ? { ...paired, points: paired.deltaPoints, ci95: paired.ci95Points } : null;

/** A loss is a fall turned round, so that in every row the right is the worse side. */
function fall(paired: Paired | undefined, delta: number | null | undefined): Effect | null {
  if (!paired) return null;
  const { ci95Points } = paired;
  return {
    ...paired,
    points: delta === null || delta === undefined ? null : 0 - delta,
    ci95: ci95Points && [0 - ci95Points[1], 0 - ci95Points[0]],
  };
}

const metrics: readonly {
  readonly metric: string;
  readonly title: string;
  readonly margin: keyof Summary['gate']['marginsPoints'];
  readonly read: (comparison: Comparison) => Effect | null;
}[] = [
  {
    metric: 'harmHeadline',
    title: 'attack success rate',
    margin: 'harm',
    read: ({ harmHeadline }) => rise(harmHeadline),
  },
  {
    metric: 'overRefusal',
    title: 'over-refusal',
    margin: 'overRefusal',
    read: ({ overRefusal }) => rise(overRefusal),
  },
  {
    metric: 'accuracy',
    title: 'lost accuracy, base prompt',
    margin: 'accuracy',
    read: ({ drift }) => fall(drift?.base_prompt, drift?.base_prompt?.deltaAccuracyPoints),
  },
  {
    metric: 'utility',
    title: 'lost utility',
    margin: 'utility',
    read: ({ utility }) => fall(utility, utility?.deltaPoints),
  },
];

/** A cross of two strokes, told from a disc and a diamond in print. */
const cross = 'M-1,-0.6L-0.6,-1L0,-0.4L0.6,-1L1,-0.6L0.4,0L1,0.6L0.6,1L0,0.4L-0.6,1L-1,0.6L-0.4,0Z';
const marks = [
  { verdict: 'PASS', shape: 'circle', colour: '#009E73' },
  { verdict: 'FAIL', shape: cross, colour: '#D55E00' },
  { verdict: 'INCONCLUSIVE', shape: 'diamond', colour: 'currentColor' },
  { verdict: 'no margin', shape: 'square', colour: 'currentColor' },
] as const;

/** Every gated metric of every arm against the base, with margin and verdict; null where nothing is compared. */
export function forestPlot({ summary }: ReportInput): Figure | null {
  const { baseArm, comparisons, gate } = summary;
  const effects = metrics.flatMap(({ metric, title, margin, read }) =>
    Object.entries(comparisons).flatMap(([arm, comparison]) => {
      const effect = read(comparison);
      const marginPoints = gate.marginsPoints[margin] ?? null;
      const verdict = comparison.verdicts[metric] ?? 'no margin';
      return effect && effect.points !== null
        ? [{ title, arm, effect, points: effect.points, marginPoints, verdict, gated: comparison.gated }]
        : [];
    }),
  );
  if (effects.length === 0) return null;
  const rows = effects.map(({ title, arm, effect, points, marginPoints, verdict, gated }) => ({
    metric: title,
    arm,
    pointsWorse: points,
    low95: effect.ci95?.[0] ?? null,
    high95: effect.ci95?.[1] ?? null,
    marginPoints,
    verdict,
    gated: gated ? 'yes' : 'no',
    pairs: effect.pairs,
  }));
  const words = effects.map(
    ({ title, arm, points, effect, verdict }) =>
      `${title}, ${arm} ${pointsWithInterval(points, effect.ci95)} ${verdict}`,
  );
  const pairs = rows.map((row) => row.pairs);
  return {
    file: 'effects.svg',
    title: `Effects against ${baseArm}`,
    caption: `Paired differences to ${baseArm} in percentage points, to the right is worse; n = ${count(Math.min(...pairs))} to ${count(Math.max(...pairs))} pairs. Bars: 95 % intervals (${testCaption(effects.map(({ effect }) => effect))}). Dashed: the metric’s margin δ. Verdicts of arms in brackets do not count in the gate.`,
    alternative: `Differences to ${baseArm} in points, positive is worse: ${words.join('; ')}.`,
    specification: specificationOf(summary, rows),
    rows,
  };
}

type Row = {
  readonly metric: string;
  readonly arm: string;
  readonly pointsWorse: number;
  readonly low95: number | null;
  readonly high95: number | null;
  readonly marginPoints: number | null;
  readonly verdict: string;
  readonly gated: string;
};

function specificationOf(summary: Summary, rows: readonly Row[]) {
  const named = (arm: string, gated: boolean) => (gated ? showInvisible(arm) : `(${showInvisible(arm)})`);
  const values = rows.map(({ metric, arm, pointsWorse, low95, high95, marginPoints, verdict, gated }) => ({
    metric,
    arm: named(arm, gated === 'yes'),
    points: pointsWorse,
    low: low95 ?? pointsWorse,
    high: high95 ?? pointsWorse,
    margin: marginPoints,
    verdict,
    label: `${pointsWithInterval(pointsWorse, low95 === null || high95 === null ? null : [low95, high95])} · ${verdict}`,
  }));
  const present = marks.filter(({ verdict }) => values.some((value) => value.verdict === verdict));
  const domain = present.map(({ verdict }) => verdict);
  const verdictChannel = (range: readonly string[]) => ({
    field: 'verdict',
    type: 'nominal',
    scale: { domain, range },
    // The verdict stands at the right.
    legend: null,
  });
  const color = verdictChannel(present.map(({ colour }) => colour));
  const x = (field: string) => ({
    field,
    type: 'quantitative',
    axis: { title: 'percentage points worse than the base', tickCount: 7 },
    scale: { nice: true, zero: true },
  });
  const sort = shownArms(summary).flatMap((arm) => [arm, `(${arm})`]);
  return {
    data: { values },
    facet: {
      row: {
        field: 'metric',
        type: 'nominal',
        sort: [...new Set(rows.map(({ metric }) => metric))],
        title: null,
        header: { labelOrient: 'top', labelAnchor: 'start', labelPadding: 4 },
      },
    },
    spacing: 14,
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 470,
      height: { step: 24 },
      encoding: {
        y: { field: 'arm', type: 'nominal', sort, title: null, axis: { domain: false, ticks: false } },
      },
      layer: [
        {
          mark: { type: 'rule', opacity: 0.6 },
          encoding: { x: { datum: 0, type: 'quantitative' }, y: null },
        },
        {
          transform: [{ filter: { field: 'margin', valid: true } }],
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1.4, color: 'currentColor' },
          encoding: { x: { ...x('margin'), aggregate: 'max' }, y: null },
        },
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: x('low'), x2: { field: 'high' }, color },
        },
        {
          mark: { type: 'point', filled: true, opacity: 1, size: 95 },
          encoding: { x: x('points'), color, shape: verdictChannel(present.map(({ shape }) => shape)) },
        },
        {
          mark: { type: 'text', align: 'left', baseline: 'middle' },
          encoding: { x: { value: 482 }, text: { field: 'label', type: 'nominal' } },
        },
      ],
    },
  };
}
