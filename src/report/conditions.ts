import type { ArmSummary, DriftSummary, Summary } from '../record.ts';

/** What one arm answered under one condition. */
export interface Answered {
  readonly condition: string;
  readonly arm: string;
  readonly drift: DriftSummary;
}

/** Condition by condition, every arm that answered under it. */
export function answeredUnder(summary: Summary, field: 'drift' | 'driftPaper'): Answered[] {
  const arms = Object.entries(summary.arms);
  const conditions = categoriesOf(arms.map(([, arm]: [string, ArmSummary]) => arm[field] ?? {}));
  return conditions.flatMap((condition) =>
    arms.flatMap(([arm, own]) => {
      const drift = own[field]?.[condition];
      return drift ? [{ condition, arm, drift }] : [];
    }),
  );
}

/** A condition for people: `false_context` → `false context`, `false_context_x5` → `false context × 5`. */
export function conditionName(condition: string): string {
  return condition.replace(/_x(\d+)$/, ' × $1').replaceAll('_', ' ');
}

/** Categories in the order the arms name them. */
export function categoriesOf(rates: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(rates.flatMap((rate) => Object.keys(rate)))];
}
