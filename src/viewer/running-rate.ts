import { countedMeanInterval } from '../bounded-mean.ts';
import type { Tally } from '../rate.ts';
import { wilsonInterval } from '../stats.ts';
import type { RunningRate } from './live-run.ts';

/** A tally that many items came to. */
export interface Found {
  readonly tally: Tally;
  items: number;
}

/** A rate over what is judged so far as the report has it, at a cost that does not grow with the number of items. */
export function runningRate(
  found: readonly Found[],
): Pick<RunningRate, 'positive' | 'scored' | 'unscored' | 'rate' | 'ci95'> {
  const sum = (read: (tally: Tally) => number) =>
    found.reduce((total, { tally, items }) => total + items * read(tally), 0);
  const [positive, scored] = [sum((tally) => tally.positive), sum((tally) => tally.scored)];
  const shares = new Map<number, number>();
  for (const { tally, items } of found)
    if (tally.scored > 0) shares.set(share(tally), (shares.get(share(tally)) ?? 0) + items);
  const n = [...shares.values()].reduce((total, items) => total + items, 0);
  const single = found.every(({ tally }) => tally.total <= 1);
  const interval = single ? wilsonInterval(positive, scored) : countedMeanInterval(shares, [0, 1]);
  return {
    ...{ positive, scored, unscored: sum(({ total, scored: judged }) => total - judged) },
    rate: n === 0 ? null : [...shares].reduce((total, [value, items]) => total + value * items, 0) / n,
    ci95: interval && [interval[0], interval[1]],
  };
}

const share = ({ positive, scored }: Tally) => positive / scored;
