import { count, percent } from '../format.ts';
import { answeredUnder, conditionName } from '../report/conditions.ts';
import { driftIntervalName } from '../report/paired-test.ts';
import type { ReportInput } from '../report.ts';
import type { Figure } from './figure.ts';
import { intervalPlot, intervalRow, rateColumns } from './interval-plot.ts';

const measures = {
  accuracy: {
    title: 'Accuracy',
    bounds: 'accuracyCi95',
    axis: 'accuracy, right answers / answers',
    what: '',
  },
  adoption: {
    title: 'Adoption',
    bounds: 'adoptionCi95',
    axis: 'adoption, answers that hold the false context’s answer / answers',
    what: ' Adoption: the answer holds the wrong answer that the false context supports; without that context it is how often the model gives it by itself.',
  },
} as const;

/** Accuracy, or adoption of the false context's answer, by condition and arm. */
export function knowledgeRateFigure({ summary }: ReportInput, measure: keyof typeof measures): Figure | null {
  const { title, bounds, axis, what } = measures[measure];
  const answered = answeredUnder(summary, 'drift').filter(({ drift }) => drift[measure] !== null);
  const values = answered.flatMap(({ condition, arm, drift }) =>
    intervalRow(conditionName(condition), arm, drift[measure], drift[bounds], percent(drift[measure])),
  );
  if (values.length === 0) return null;
  const words = values.map(({ group, arm, label }) => `${group}, ${arm} ${label}`);
  return {
    file: `${measure}.svg`,
    title: `${title} by condition and arm`,
    caption: `${title} by condition and arm, ${answersOf(answered.map(({ drift }) => drift.n))} each. Bars: ${driftIntervalName(summary)} 95 % intervals.${what}`,
    alternative: `${title} by condition and arm: ${words.join('; ')}.`,
    specification: intervalPlot(summary, values, axis, true),
    rows: answered.map(({ condition, arm, drift }) => ({
      condition,
      arm,
      answers: drift.n,
      ...rateColumns(drift[measure], drift[bounds]),
    })),
  };
}

/** `300 answers`, `280 to 300 answers`. */
export function answersOf(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${count(most)} answers` : `${count(least)} to ${count(most)} answers`;
}
