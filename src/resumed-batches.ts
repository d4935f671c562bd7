import type { Journal, Line, Part } from './journal.ts';
import { only } from './records.ts';

/** Batches of a plan, from 0. */
export interface PlannedBatches {
  readonly length: number;
  /** How many lines a batch makes. */
  size(batch: number): number;
  key(batch: number): string;
}

/**
 * What journals hold of a plan; what they hold of another for this part, or of a batch in part, is dropped.
 * `left`: batches that are still to be made; `resumed`: lines of those that are not. `missed` is told the key of every batch
 * that was looked for and is not whole.
 */
export function resumeBatches<T extends Line>(
  plan: PlannedBatches,
  part: Part,
  journals: readonly Journal<T>[],
  missed: (key: string) => void = () => {},
): { readonly left: Iterable<number>; readonly resumed: number } {
  const finished = new Uint8Array(plan.length);
  let resumed = 0;
  // Once every line has its batch there is no other to be found.
  const isAll = () => journals.every((journal) => journal.count(part) === resumed);
  for (let batch = 0; batch < plan.length && !isAll(); batch++) {
    const key = plan.key(batch);
    if (journals.every((journal) => journal.finished(key) === plan.size(batch))) {
      finished[batch] = 1;
      resumed += plan.size(batch);
    } else missed(key);
  }
  for (const journal of journals) {
    if (journal.count(part) === resumed) continue;
    const keys = new Set<string>();
    for (const [batch, whole] of finished.entries()) if (whole) keys.add(plan.key(batch));
    journal.retain(
      ({ arm, suite, judge, batchKey }) =>
        arm !== part.arm || suite !== part.suite || judge !== part.judge || keys.has(batchKey),
    );
  }
  return { left: only(finished.keys(), (batch) => finished[batch] === 0), resumed };
}
