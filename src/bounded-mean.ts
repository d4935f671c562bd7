import { countBy } from './records.ts';
import { bisect, type Interval, z95 } from './stats.ts';

/** Means of values that cannot leave a known range: items' shares of several completions, and their differences. */

/**
 * Score interval of the mean of values known to lie in [low, high]; null without values. It holds every hypothetical mean that is
 * within z standard errors of the observed one, where the error is that of the likeliest distribution with that mean, on the
 * values seen and the ends of the range. Of 0 and 1 that is Wilson's interval, of −1, 0 and 1 Tango's. Assumes independent
 * items. Approximate (normal score): where few items differ it errs towards too wide; about 95 % elsewhere
 * (docs/statistics-simulation.md). The item bootstrap knows only what was seen, and passes too often at 50 and 100 items.
 * Source: Owen 1988, Biometrika 75:237–249 for the likelihood; the score with it is this project's.
 */
export function boundedMeanInterval(values: readonly number[], range: Interval): Interval | null {
  return countedMeanInterval(
    countBy(values, (value) => value),
    range,
  );
}

/** As `boundedMeanInterval`, of values by how often each comes: at a cost that does not grow with their number. */
export function countedMeanInterval(
  counts: ReadonlyMap<number, number>,
  [low, high]: Interval,
): Interval | null {
  const n = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (n === 0) return null;
  const points = [...counts].map(([value, count]) => ({ value, share: count / n }));
  const mirrored = points.map(({ value, share }) => ({ value: -value, share }));
  return [-upperLimit(mirrored, n, -low), upperLimit(points, n, high)];
}

/** A distinct value and its share of all. */
interface Point {
  readonly value: number;
  readonly share: number;
}

function upperLimit(points: readonly Point[], n: number, high: number): number {
  const average = points.reduce((sum, { value, share }) => sum + value * share, 0);
  if (average >= high) return high;
  return bisect(average, high, (hypothesis) => {
    const error = Math.sqrt(constrainedVariance(points, hypothesis, high) / n);
    return hypothesis - average <= z95 * error;
  });
}

/**
 * Variance of the likeliest distribution whose mean is `hypothesis`, over the observed mean and under `high`. Each point's share is
 * divided by 1 − tilt · distance; the tilt is the one that gives the mean. Where the largest that leaves all shares positive is
 * not enough, what is missing of 1 lies at `high`, a value nobody saw.
 */
function constrainedVariance(points: readonly Point[], hypothesis: number, high: number): number {
  const shareOf = ({ value, share }: Point, tilt: number) => share / (1 - tilt * (value - hypothesis));
  const distance = (tilt: number) =>
    points.reduce((sum, point) => sum + shareOf(point, tilt) * (point.value - hypothesis), 0);
  const steepest = 1 / (high - hypothesis);
  // Where `high` was seen its share has no bound at the steepest tilt, and the distance is huge or infinite.
  const tilt = distance(steepest) < 0 ? steepest : bisect(0, steepest, (tilt) => distance(tilt) < 0);
  let [variance, total] = [0, 0];
  for (const point of points) {
    const share = shareOf(point, tilt);
    total += share;
    variance += share * (point.value - hypothesis) ** 2;
  }
  return variance + Math.max(0, 1 - total) * (high - hypothesis) ** 2;
}
