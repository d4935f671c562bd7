import { absent, count, decimal, showInvisible } from '../format.ts';
import type { Summary } from '../record.ts';
import { answeredUnder, conditionName } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import { armEncoding, shownArms } from './arm-encoding.ts';
import type { Figure } from './figure.ts';

const measures = ['perplexity', 'entropy', 'probability'] as const;
const measureTitles = {
  perplexity: 'perplexity',
  entropy: 'entropy, nats',
  probability: 'token probability',
};

/** Perplexity, entropy and token probability of right and wrong answers: the paper's table 5. */
export function uncertaintyFigure({ summary }: ReportInput): Figure | null {
  const all = answeredUnder(summary, 'drift');
  // Further doses of a context have a figure of their own.
  const answered = all.filter(({ drift }) => (drift.contextRepeats ?? 1) === 1);
  const values = answered.flatMap(({ condition, arm, drift }) =>
    (['correct', 'incorrect'] as const).flatMap((answer) =>
      measures.flatMap((measure) => {
        const { mean, se } = drift[answer][measure];
        const group = { condition: conditionName(condition), arm: showInvisible(arm), measure };
        if (mean === null) return [];
        return [
          {
            ...group,
            answer: answer === 'correct' ? 'right' : 'wrong',
            mean,
            low: mean - (se ?? 0),
            high: mean + (se ?? 0),
          },
        ];
      }),
    ),
  );
  if (values.length === 0) return null;
  const conditions = [...new Set(answered.map(({ condition }) => conditionName(condition)))];
  const words = shownArms(summary).flatMap((arm) => {
    const range = (answer: string) => {
      const means = values
        .filter((value) => value.arm === arm && value.answer === answer && value.measure === 'probability')
        .map(({ mean }) => mean);
      return means.length > 0 ? `${decimal(Math.min(...means))} to ${decimal(Math.max(...means))}` : absent;
    };
    return [`${arm} right ${range('right')}, wrong ${range('wrong')}`];
  });
  const counts = answered.flatMap(({ drift }) => [drift.correct.n, drift.incorrect.n]);
  return {
    file: 'uncertainty.svg',
    title: 'Uncertainty by correctness, condition and arm',
    caption: `Uncertainty of right (filled) and wrong (open) answers by condition and arm, mean over ${count(Math.min(...counts))} to ${count(Math.max(...counts))} answers. Bars: ± one standard error.`,
    alternative: `Mean token probability over the conditions: ${words.join('; ')}. All values are in the table.`,
    specification: {
      data: { values },
      spacing: 26,
      vconcat: measures.map((measure, place) => uncertaintyRow(summary, measure, conditions, place === 0)),
    },
    rows: all.flatMap(({ condition, arm, drift }) =>
      (['correct', 'incorrect'] as const).flatMap((answer) =>
        measures.map((measure) => ({
          condition,
          arm,
          answer: answer === 'correct' ? 'right' : 'wrong',
          measure,
          answers: drift[answer].n,
          ...drift[answer][measure],
        })),
      ),
    ),
  };
}

function uncertaintyRow(
  summary: Summary,
  measure: (typeof measures)[number],
  conditions: readonly string[],
  first: boolean,
) {
  const { color, shape } = armEncoding(summary, false);
  const y = {
    field: 'arm',
    type: 'nominal',
    sort: shownArms(summary),
    title: null,
    axis: { domain: false, ticks: false },
  };
  const x = {
    type: 'quantitative',
    scale: { zero: false, nice: true, padding: 6 },
    axis: { title: measureTitles[measure], tickCount: 4, labelFlush: false, labelOverlap: true },
  };
  const point = (answer: string, filled: boolean) => ({
    transform: [{ filter: { field: 'answer', equal: answer } }],
    mark: { type: 'point', filled, opacity: 1, size: 75, strokeWidth: 1.8 },
    encoding: { x: { field: 'mean', ...x }, color, shape },
  });
  return {
    transform: [{ filter: { field: 'measure', equal: measure } }],
    facet: {
      column: {
        field: 'condition',
        type: 'nominal',
        sort: conditions,
        title: null,
        header: first ? { labelPadding: 6 } : { labels: false },
      },
    },
    spacing: 22,
    spec: {
      width: 195,
      height: { step: 26 },
      encoding: { y },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: { field: 'low', ...x }, x2: { field: 'high' }, color },
        },
        point('right', true),
        point('wrong', false),
      ],
    },
  };
}
