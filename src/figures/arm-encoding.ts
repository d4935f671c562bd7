import { showInvisible } from '../format.ts';
import { armStyles } from '../plot.ts';
import type { Summary } from '../record.ts';

/** The arms as charts name them, in order. */
export const shownArms = ({ arms }: Summary) => Object.keys(arms).map(showInvisible);

/** Colour and shape per arm, with one legend for both. */
export function armEncoding(summary: Summary, legend: boolean) {
  const styles = armStyles(Object.keys(summary.arms), summary.baseArm);
  return {
    color: channel(
      summary,
      legend,
      styles.map(({ colour }) => colour),
    ),
    shape: channel(
      summary,
      legend,
      styles.map(({ shape }) => shape),
    ),
  };
}

/** Dashes per arm, for lines. */
export function dashEncoding(summary: Summary, legend: boolean) {
  const styles = armStyles(Object.keys(summary.arms), summary.baseArm);
  return channel(
    summary,
    legend,
    styles.map(({ dash }) => dash),
  );
}

function channel(summary: Summary, legend: boolean, range: readonly unknown[]) {
  return {
    field: 'arm',
    type: 'nominal',
    scale: { domain: shownArms(summary), range },
    ...(legend ? {} : { legend: null }),
  };
}
