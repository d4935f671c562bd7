import { percent, showInvisible } from '../format.ts';
import { answeredUnder, conditionName } from '../report/conditions.ts';
import { driftIntervalName } from '../report/paired-test.ts';
import type { ReportInput } from '../report.ts';
import { armEncoding, dashEncoding } from './arm-encoding.ts';
import type { Figure } from './figure.ts';
import { rateColumns } from './interval-plot.ts';
import { answersOf } from './knowledge-rates.ts';

const measures = [
  ['accuracy', 'accuracyCi95'],
  ['adoption', 'adoptionCi95'],
] as const;

/** Accuracy and adoption against how often the context was stated; null with fewer than two numbers of repeats. */
export function doseResponseFigure({ summary }: ReportInput): Figure | null {
  const dosed = answeredUnder(summary, 'drift').filter(({ drift }) => drift.contextRepeats !== undefined);
  const doses = [...new Set(dosed.map(({ drift }) => drift.contextRepeats!))].sort((a, b) => a - b);
  if (doses.length < 2) return null;
  const rows = dosed.flatMap(({ condition, arm, drift }) =>
    measures.map(([measure, bounds]) => ({
      condition: condition.replace(/_x\d+$/, ''),
      repeats: drift.contextRepeats!,
      arm,
      measure,
      answers: drift.n,
      ...rateColumns(drift[measure], drift[bounds]),
    })),
  );
  const arms = Object.keys(summary.arms);
  const values = rows.flatMap(({ rate, low95, high95, ...row }) =>
    rate === null
      ? []
      : [
          {
            ...row,
            condition: conditionName(row.condition),
            arm: showInvisible(row.arm),
            // Arms stand side by side, so that their bars do not cover one another.
            at: row.repeats * 1.035 ** (arms.indexOf(row.arm) - (arms.length - 1) / 2),
            rate,
            low: low95 ?? rate,
            high: high95 ?? rate,
          },
        ],
  );
  if (values.length === 0) return null;
  const words = values.map(
    ({ condition, repeats, arm, measure, rate }) =>
      `${condition} × ${repeats}, ${arm}, ${measure} ${percent(rate)}`,
  );
  return {
    file: 'dose-response.svg',
    title: 'Accuracy and adoption by the number of times the context is stated',
    caption: `Dose response: accuracy and adoption where the context is stated ${doses.join(', ')} times (logarithmic axis; arms stand side by side), ${answersOf(dosed.map(({ drift }) => drift.n))} per point. Bars: ${driftIntervalName(summary)} 95 % intervals.`,
    alternative: `Dose response: ${words.join('; ')}.`,
    specification: {
      data: { values },
      facet: {
        row: { field: 'condition', type: 'nominal', sort: null, title: null },
        column: { field: 'measure', type: 'nominal', sort: null, title: null },
      },
      spacing: 22,
      spec: panel(summary, doses),
    },
    rows,
  };
}

function panel(summary: ReportInput['summary'], doses: readonly number[]) {
  const { color, shape } = armEncoding(summary, true);
  const strokeDash = dashEncoding(summary, true);
  const x = {
    field: 'at',
    type: 'quantitative',
    scale: { type: 'log', base: 2, domain: [doses[0]! / 1.2, doses.at(-1)! * 1.2], nice: false },
    axis: { title: 'times stated', values: doses, format: 'd', grid: false },
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', title: 'share of answers', tickCount: 5 },
  });
  return {
    width: 250,
    height: 190,
    encoding: { x },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 1.4, opacity: 0.75 },
        encoding: { y: y('rate'), color, shape, strokeDash },
      },
      {
        mark: { type: 'rule', strokeWidth: 1.6 },
        encoding: { y: y('low'), y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'point', filled: true, opacity: 1, size: 60 },
        encoding: { y: y('rate'), color, shape },
      },
    ],
  };
}
