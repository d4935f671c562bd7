import { normalQuantile } from './distributions.ts';

/** Rates, paired rates and their p values: closed forms, no randomness. Undefined is null, never 0. */

export type Interval = readonly [low: number, high: number];

/** Φ⁻¹(0.975): every interval here is a two-sided 95 % one. */
export const z95 = normalQuantile(0.975);

/**
 * Wilson score interval of a rate; null for n = 0. Assumes independent items of one rate. Approximate: inverts the normal score test;
 * its coverage wavers about 95 % (docs/statistics-simulation.md) and holds at rates near 0 and 1, where Wald's does not.
 * Source: Wilson 1927, JASA 22:209–212.
 */
export function wilsonInterval(count: number, n: number, z = z95): Interval | null {
  if (n === 0) return null;
  const rate = count / n;
  const centre = rate + (z * z) / (2 * n);
  const half = z * Math.sqrt((rate * (1 - rate)) / n + (z * z) / (4 * n * n));
  const scale = 1 + (z * z) / n;
  return [count === 0 ? 0 : (centre - half) / scale, count === n ? 1 : (centre + half) / scale];
}

/**
 * Score interval of a paired difference of rates (gained − lost) / n; null for n = 0.
 * `gained`: pairs positive only in the first arm; `lost`: only in the second. Assumes independent pairs. Approximate: inverts the
 * normal score test of a difference under the constrained likelihood; where few pairs differ it errs towards too wide.
 * Source: Tango 1998, Statistics in Medicine 17:891–908.
 */
export function tangoInterval(gained: number, lost: number, n: number, z = z95): Interval | null {
  if (n === 0) return null;
  const estimate = (gained - lost) / n;
  const score = (delta: number) => tangoScore(gained, lost, n, delta);
  const low = estimate === -1 ? -1 : bisect(-1, estimate, (delta) => score(delta) > z);
  const high = estimate === 1 ? 1 : bisect(estimate, 1, (delta) => score(delta) >= -z);
  return [low, high];
}

/** Tango's z at a hypothetical difference: (observed − n·delta) over its standard deviation under the constrained estimate. */
function tangoScore(gained: number, lost: number, n: number, delta: number): number {
  const variance = n * (2 * constrainedLostShare(gained / n, lost / n, delta) + delta * (1 - delta));
  const distance = gained - lost - n * delta;
  return variance > 0 ? distance / Math.sqrt(variance) : distance === 0 ? 0 : Math.sign(distance) * Infinity;
}

/** The likeliest share of lost pairs if the difference were `delta`, from the observed shares: the larger root of Tango's quadratic. */
function constrainedLostShare(gainedShare: number, lostShare: number, delta: number): number {
  const linear = (2 - gainedShare + lostShare) * delta - gainedShare - lostShare;
  const constant = -lostShare * delta * (1 - delta);
  return (Math.sqrt(Math.max(0, linear * linear - 8 * constant)) - linear) / 4;
}

/** The point where a predicate that holds on the left stops holding, to double precision. */
export function bisect(left: number, right: number, holds: (x: number) => boolean): number {
  for (let i = 0; i < 60; i++) {
    const middle = (left + right) / 2;
    if (holds(middle)) left = middle;
    else right = middle;
  }
  return (left + right) / 2;
}

/**
 * Exact two-sided McNemar p: a binomial test of the discordant pairs at ½; 1 when there are none. Assumes independent pairs.
 * Exact given the number of discordant pairs, hence conservative: it rejects what did not change in less than 5 of 100.
 * Source: McNemar 1947, Psychometrika 12:153–157, in its exact conditional form.
 */
export function mcnemarP(gained: number, lost: number): number {
  const n = gained + lost;
  const smaller = Math.min(gained, lost);
  let logTerm = -n * Math.LN2;
  for (let i = 1; i <= smaller; i++) logTerm += Math.log((n - i + 1) / i);
  // From the largest term down; each is its neighbour times i / (n − i + 1).
  let ratio = 1;
  let tail = 1;
  for (let i = smaller; i > 0; i--) tail += ratio *= i / (n - i + 1);
  return Math.min(1, 2 * tail * Math.exp(logTerm));
}

/**
 * Holm's step-down adjusted p values, in the order given; null stays null and does not count in the family.
 * Holds the familywise error whatever the dependence between the tests.
 * Source: Holm 1979, Scandinavian Journal of Statistics 6:65–70.
 */
export function holm(pValues: readonly (number | null)[]): (number | null)[] {
  const known = pValues.flatMap((p, index) => (p === null ? [] : [{ p, index }])).sort((a, b) => a.p - b.p);
  const adjusted: (number | null)[] = pValues.map(() => null);
  let largest = 0;
  known.forEach(({ p, index }, rank) => {
    largest = Math.max(largest, Math.min(1, (known.length - rank) * p));
    adjusted[index] = largest;
  });
  return adjusted;
}

/**
 * Cohen's κ of two raters' labels of the same items; null without items or where chance alone agrees fully. A plain estimate:
 * nominal labels, raters independent given the item, chance by each rater's own shares of labels.
 * Source: Cohen 1960, Educational and Psychological Measurement 20:37–46.
 */
export function cohenKappa(labels: readonly (readonly [string, string])[]): number | null {
  const n = labels.length;
  if (n === 0) return null;
  const share = (matches: (pair: readonly [string, string]) => boolean) => labels.filter(matches).length / n;
  const observed = share(([a, b]) => a === b);
  const classes = new Set(labels.flat());
  let chance = 0;
  for (const label of classes) chance += share(([a]) => a === label) * share(([, b]) => b === label);
  return classes.size < 2 ? null : (observed - chance) / (1 - chance);
}

/** Mean and its standard error as the paper prints it: population standard deviation / √n; null without values, the error null below two. Source: arXiv 2409.19476, table 5. */
export function meanAndError(values: readonly number[]): { mean: number | null; se: number | null } {
  const n = values.length;
  if (n === 0) return { mean: null, se: null };
  const average = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - average) ** 2;
  return { mean: average, se: n < 2 ? null : Math.sqrt(squares / n) / Math.sqrt(n) };
}

/** @throws Error without values: an average of nothing is the caller's to decide. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error('internal: mean of no values');
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

const power80 = normalQuantile(0.8);

/**
 * Items needed for 80 % power to PASS at a margin when nothing changed: z.975 goes with the standard deviation that the score test
 * has at the margin. `discordantShare`: mean squared difference of a pair; margin as a rate. Approximate (normal). By exact sums
 * its power is 80 to 83 % at discordant shares of 0.02 to 0.3; with several completions per item more, as their differences take
 * smaller steps (docs/statistics-simulation.md). The plain (z.975 + z.80)² · share / margin² falls short when few pairs are
 * discordant: 72 % at a share of 0.06 and a margin of 0.05, 0 % at 0.01.
 * Source: Nam 1997, Biometrics 53:1422–1430.
 */
export function neededForPairs(discordantShare: number, margin: number): number {
  const lostShare = constrainedLostShare(discordantShare / 2, discordantShare / 2, margin);
  const varianceAtMargin = 2 * lostShare + margin * (1 - margin);
  return Math.ceil(
    ((z95 * Math.sqrt(varianceAtMargin) + power80 * Math.sqrt(discordantShare)) / margin) ** 2,
  );
}
