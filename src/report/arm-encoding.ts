import { showInvisible } from '../format.ts';
import { armStyles } from '../plot.ts';
import type { Summary } from '../record.ts';

/** The arms as charts name them, in order. */
export const shownArms = ({ arms }: Summary) => Object.keys(arms).map(showInvisible);

/** Colour and shape per arm, with one legend for both. */
export function armEncoding(summary: Summary, legend: boolean) {
  const arms = Object.keys(summary.arms);
  const styles = armStyles(arms, summary.baseArm);
  const domain = shownArms(summary);
  const shared = legend ? {} : { legend: null };
  return {
    color: {
      field: 'arm',
      type: 'nominal',
      scale: { domain, range: styles.map(({ colour }) => colour) },
      ...shared,
    },
    shape: {
      field: 'arm',
      type: 'nominal',
      scale: { domain, range: styles.map(({ shape }) => shape) },
      ...shared,
    },
  };
}
