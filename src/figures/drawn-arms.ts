import { count, plural } from '../format.ts';
import type { Comparison, Summary } from '../record.ts';
import type { ReportInput } from '../report.ts';
import { partOf } from './arm-encoding.ts';
import { outcomesOf } from './joined-outcomes.ts';

/** Which arms a figure draws where a run has more than it can show. */

/** The base and the arms furthest from it, `most` in all, in the run's order: by their largest difference in any paired measure. */
export function drawnArms({ arms, baseArm, comparisons }: Summary, most: number): readonly string[] {
  const names = Object.keys(arms);
  const distance = (arm: string) => (arm === baseArm ? Infinity : furthest(comparisons[arm]));
  const chosen = new Set([...names].sort((a, b) => distance(b) - distance(a)).slice(0, most));
  return names.filter((arm) => chosen.has(arm));
}

/** Percentage points. */
function furthest(comparison: Comparison | undefined): number {
  const { harm, harmHeadline, overRefusal, utility, drift = {} } = comparison ?? {};
  const points = [harm, harmHeadline, overRefusal, utility].map((paired) => paired?.deltaPoints ?? 0);
  const accuracies = Object.values(drift).map(({ deltaAccuracyPoints }) => deltaAccuracyPoints ?? 0);
  return Math.max(...[...points, ...accuracies].map(Math.abs));
}

/** The same input with these arms alone. */
export function withArms(input: ReportInput, arms: readonly string[]): ReportInput {
  const { summary, margins, histories } = input;
  const kept = new Set(arms);
  const rowsOf = outcomesOf(input);
  return {
    ...input,
    summary: partOf(summary, kept),
    histories: Object.fromEntries(Object.entries(histories).filter(([arm]) => kept.has(arm))),
    ...(margins && { margins: margins.filter(({ arm }) => kept.has(arm)) }),
    ...(rowsOf && { rowsOf }),
  };
}

/** What a caption says of the others. */
export const leftOutArms = (drawn: readonly string[], all: number): string =>
  ` Of ${count(all)} arms the base, where it has such data, and the ${plural(drawn.length - 1, 'arm')} furthest from it in any measure are drawn; the data have all.`;
