import { count, decimal, showInvisible } from '../format.ts';
import { armStyles } from '../plot.ts';
import type { ReportInput } from '../report.ts';
import type { Figure } from './figures.ts';

export function lossFigure({ summary, histories }: ReportInput): Figure | null {
  const arms = Object.keys(summary.arms);
  const trained = arms.filter((arm) => (histories[arm]?.length ?? 0) > 0);
  const values = trained.flatMap((arm) =>
    (histories[arm] ?? []).map(({ step, loss }) => ({ arm: showInvisible(arm), step, loss })),
  );
  if (values.length === 0) return null;
  const styles = armStyles(arms, summary.baseArm).filter((_, place) => trained.includes(arms[place]!));
  const domain = trained.map(showInvisible);
  const legend = { symbolSize: 900, symbolStrokeWidth: 2 };
  const words = trained.map((arm) => {
    const history = histories[arm] ?? [];
    return `${arm} from ${decimal(history[0]?.loss, 3)} to ${decimal(history.at(-1)?.loss, 3)} in ${count(history.length)} steps`;
  });
  return {
    file: 'loss.svg',
    title: 'Training loss per arm',
    caption:
      'Training loss per step: mean negative log-likelihood per labelled token of the step’s batch, unsmoothed, n = one run per arm. No interval.',
    alternative: `Training loss in nats per labelled token: ${words.join('; ')}.`,
    specification: {
      width: 560,
      height: 250,
      data: { values },
      mark: { type: 'line', strokeWidth: 1.8, interpolate: 'linear' },
      encoding: {
        x: {
          field: 'step',
          type: 'quantitative',
          axis: { title: 'step', grid: false, tickMinStep: 1 },
          scale: { nice: false },
        },
        y: {
          field: 'loss',
          type: 'quantitative',
          axis: { title: 'loss, nats per labelled token', tickCount: 5 },
        },
        color: {
          field: 'arm',
          type: 'nominal',
          scale: { domain, range: styles.map(({ colour }) => colour) },
          legend,
        },
        strokeDash: {
          field: 'arm',
          type: 'nominal',
          scale: { domain, range: styles.map(({ dash }) => dash) },
          legend,
        },
      },
    },
  };
}
