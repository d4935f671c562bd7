import { count, decimal, showInvisible } from '../format.ts';
import type { ReportInput } from '../report.ts';
import type { TrainingStep } from '../trainer.ts';
import { armEncoding, dashEncoding } from './arm-encoding.ts';
import type { Figure } from './figure.ts';

/** Step and loss, here and where a run is followed. */
export const lossAxes = {
  x: {
    field: 'step',
    type: 'quantitative',
    axis: { title: 'step', grid: false, tickMinStep: 1 },
    scale: { nice: false },
  },
  y: { field: 'loss', type: 'quantitative', axis: { title: 'loss, nats per labelled token', tickCount: 5 } },
} as const;

/** Steps drawn of one arm; of a longer training the lowest and the highest of each stretch. */
const mostPoints = 400;

export function lossFigure({ summary, histories }: ReportInput): Figure | null {
  const trained = Object.keys(summary.arms).flatMap((arm) => {
    const history = histories[arm] ?? [];
    return history.length > 0 ? [{ arm, history }] : [];
  });
  if (trained.length === 0) return null;
  const rows = trained.flatMap(({ arm, history }) =>
    extremes(history).map(({ step, loss }) => ({ arm, step, loss })),
  );
  const thinned = trained.some(({ history }) => history.length > mostPoints)
    ? ` Of more than ${mostPoints} steps drawing and data have the lowest and the highest of every stretch; setting.json has every step.`
    : '';
  const words = trained.map(
    ({ arm, history }) =>
      `${arm} from ${decimal(history[0]?.loss, 3)} to ${decimal(history.at(-1)?.loss, 3)} in ${count(history.length)} steps`,
  );
  return {
    file: 'loss.svg',
    title: 'Training loss per arm',
    caption: `Training loss per step: mean negative log-likelihood per labelled token of the step’s batch, unsmoothed, n = one run per arm. No interval.${thinned}`,
    alternative: `Training loss in nats per labelled token: ${words.join('; ')}.`,
    specification: specificationOf(summary, rows),
    rows,
  };
}

/** The first and last step and the extremes between, in order. */
function extremes(history: readonly TrainingStep[]): readonly TrainingStep[] {
  if (history.length <= mostPoints) return history;
  const size = Math.ceil((2 * history.length) / (mostPoints - 2));
  const kept = new Set([history[0]!, history.at(-1)!]);
  for (let from = 0; from < history.length; from += size) {
    const stretch = history.slice(from, from + size).sort((a, b) => a.loss - b.loss);
    kept.add(stretch[0]!).add(stretch.at(-1)!);
  }
  return [...kept].sort((a, b) => a.step - b.step);
}

function specificationOf(
  summary: ReportInput['summary'],
  rows: readonly { readonly arm: string; readonly step: number; readonly loss: number }[],
) {
  const legend = { symbolSize: 900, symbolStrokeWidth: 2, symbolType: 'stroke' };
  const trained = new Set(rows.map(({ arm }) => showInvisible(arm)));
  const values = { legend: { ...legend, values: [...trained] } };
  return {
    width: 560,
    height: 250,
    data: { values: rows.map((row) => ({ ...row, arm: showInvisible(row.arm) })) },
    mark: { type: 'line', strokeWidth: 1.8, interpolate: 'linear' },
    encoding: {
      ...lossAxes,
      color: { ...armEncoding(summary, true).color, ...values },
      strokeDash: { ...dashEncoding(summary, true), ...values },
    },
  };
}
