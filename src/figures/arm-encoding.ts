import { showInvisible } from '../format.ts';
import { type ArmStyle, armStyles } from '../plot.ts';
import type { Summary } from '../record.ts';

/** The arms as charts name them, in order. */
export const shownArms = ({ arms }: Summary) => Object.keys(arms).map(showInvisible);

const wholes = new WeakMap<Summary, Summary>();

/** A summary of some arms, which are drawn with the marks that they have among all. */
export function partOf(whole: Summary, arms: ReadonlySet<string>): Summary {
  const pick = <T>(byArm: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(byArm).filter(([arm]) => arms.has(arm)));
  const part = { ...whole, arms: pick(whole.arms), comparisons: pick(whole.comparisons) };
  wholes.set(part, whole);
  return part;
}

function stylesOf(summary: Summary): ArmStyle[] {
  const { arms, baseArm } = wholes.get(summary) ?? summary;
  const names = Object.keys(arms);
  const styles = armStyles(names, baseArm);
  return Object.keys(summary.arms).map((arm) => styles[names.indexOf(arm)]!);
}

/** Colour and shape per arm, with one legend for both. */
export function armEncoding(summary: Summary, legend: boolean) {
  const styles = stylesOf(summary);
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
  const styles = stylesOf(summary);
  return channel(
    summary,
    legend,
    styles.map(({ dash }) => dash),
  );
}

/** A legend of more arms than this has several rows, or it would be wider than the page. */
const legendRow = 6;

function channel(summary: Summary, legend: boolean, range: readonly unknown[]) {
  const rows = Object.keys(summary.arms).length > legendRow ? { legend: { columns: 4 } } : {};
  return {
    field: 'arm',
    type: 'nominal',
    scale: { domain: shownArms(summary), range },
    ...(legend ? rows : { legend: null }),
  };
}
