import { rateOf, type Tally } from '../rate.ts';
import { wilsonInterval } from '../stats.ts';
import type { RunningRate } from './live-run.ts';

/** A tally that many items came to. */
export interface Found {
  readonly tally: Tally;
  items: number;
}

/** With more items, the bootstrap takes too long for a page that changes every second, and a normal interval is as good. */
const mostBootstrapped = 200;

/**
 * A rate over what is judged so far, whatever the number of items: as in the report, but of many repeated items the
 * interval is the mean of their shares ± 1.96 standard errors.
 */
export function runningRate(
  found: readonly Found[],
): Pick<RunningRate, 'positive' | 'scored' | 'unscored' | 'rate' | 'ci95'> {
  const sum = (read: (tally: Tally) => number) =>
    found.reduce((total, { tally, items }) => total + items * read(tally), 0);
  const positive = sum((tally) => tally.positive);
  const scored = sum((tally) => tally.scored);
  const counts = { positive, scored, unscored: sum((tally) => tally.total - tally.scored) };
  const copy = (interval: readonly [number, number] | null): [number, number] | null =>
    interval && [interval[0], interval[1]];
  if (found.every(({ tally }) => tally.total <= 1))
    return {
      ...counts,
      rate: scored === 0 ? null : positive / scored,
      ci95: copy(wilsonInterval(positive, scored)),
    };
  const rated = found.filter(({ tally }) => tally.scored > 0);
  const n = rated.reduce((total, { items }) => total + items, 0);
  if (n <= mostBootstrapped) {
    const tallies = found.flatMap(({ tally, items }) => Array.from({ length: items }, () => tally));
    const { rate, ci95 } = rateOf(new Map(tallies.map((tally, place) => [String(place), tally])));
    return { ...counts, rate, ci95 };
  }
  const mean = sum((tally) => share(tally)) / n;
  const squares = rated.reduce((total, { tally, items }) => total + items * (share(tally) - mean) ** 2, 0);
  const margin = 1.96 * Math.sqrt(squares / (n - 1) / n);
  return {
    ...counts,
    rate: mean,
    ci95:
      squares === 0
        ? copy(wilsonInterval(Math.round(mean * n), n))
        : [Math.max(0, mean - margin), Math.min(1, mean + margin)],
  };
}

const share = ({ positive, scored }: Tally) => (scored === 0 ? 0 : positive / scored);
