import { meanInterval } from './bootstrap.ts';
import type { MarginRecord } from './harm-record.ts';
import { createRandom } from './random.ts';
import type { ArmSummary, Comparison } from './record.ts';
import { mean } from './stats.ts';

/** An arm's refusal margins by item; items without one are absent. */
export type Margins = ReadonlyMap<string, number>;

/** The margins of every arm that has some. */
export function marginsByArm(records: readonly MarginRecord[]): Map<string, Margins> {
  const arms = new Map<string, Map<string, number>>();
  for (const { arm, id, margin } of records) {
    const own = arms.get(arm) ?? new Map<string, number>();
    arms.set(arm, own);
    if (margin !== null) own.set(id, margin);
  }
  return arms;
}

type Level = NonNullable<NonNullable<ArmSummary['harm']>['refusalMargin']>;

/** Mean in nats with its interval, seeded. */
export function marginLevel(margins: Margins): Level {
  const values = [...margins.values()];
  return { ...average(values), n: values.length };
}

/** Arm minus base over the items that both have. */
export function marginDifference(arm: Margins, base: Margins): NonNullable<Comparison['refusalMargin']> {
  const items = new Set([...arm.keys(), ...base.keys()]);
  const both = [...items].filter((item) => arm.has(item) && base.has(item));
  const { mean: difference, ci95 } = average(both.map((item) => arm.get(item)! - base.get(item)!));
  return { difference, ci95, pairs: both.length, dropped: items.size - both.length };
}

function average(values: readonly number[]): Pick<Level, 'mean' | 'ci95'> {
  if (values.length === 0) return { mean: null, ci95: null };
  const interval = meanInterval(values, createRandom('refusal margin'));
  return { mean: mean(values), ci95: interval && [interval[0], interval[1]] };
}
