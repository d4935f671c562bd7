import { lossAxes } from '../figures/loss-curves.ts';
import { decimal, showInvisible } from '../format.ts';
import { armStyles, type Chart } from '../plot.ts';
import type { LiveRun } from './live-run.ts';

/** Losses so far as a chart to draw; null before the first step. */
export function liveLoss({
  arms,
  baseArm,
  losses,
}: Pick<LiveRun, 'arms' | 'baseArm' | 'losses'>): Chart | null {
  const trained = arms.filter((arm) => (losses[arm]?.length ?? 0) > 0);
  if (trained.length === 0) return null;
  const styles = armStyles(arms, baseArm).filter((_, place) => trained.includes(arms[place]!));
  const domain = trained.map(showInvisible);
  const legend = { symbolSize: 900, symbolStrokeWidth: 2 };
  const last = trained.map((arm) => {
    const { step, loss } = losses[arm]!.at(-1)!;
    return `${arm} ${decimal(loss, 3)} at step ${step}`;
  });
  return {
    file: 'live-loss.svg',
    title: 'Training loss so far',
    alternative: `Training loss in nats per labelled token, latest: ${last.join('; ')}.`,
    specification: {
      width: 560,
      height: 200,
      data: {
        values: trained.flatMap((arm) =>
          losses[arm]!.map(({ step, loss }) => ({ arm: showInvisible(arm), step, loss })),
        ),
      },
      // The figure says in words what it shows.
      mark: { type: 'line', strokeWidth: 1.8, aria: false },
      encoding: {
        ...lossAxes,
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
