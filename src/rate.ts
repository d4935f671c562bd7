import { signFlipP } from './bootstrap.ts';
import { boundedMeanInterval } from './bounded-mean.ts';
import { createRandom } from './random.ts';
import { type Interval, mcnemarP, mean, tangoInterval, wilsonInterval } from './stats.ts';

/**
 * One item's completions (one per repeat): how many were positive — unsafe, refused, correct — how many were scored,
 * and how many there should be. What is not scored is kept apart, never counted as negative.
 */
export interface Tally {
  readonly positive: number;
  readonly scored: number;
  readonly total: number;
}

export type ItemKey = string | { readonly id: string; readonly condition: string };

/** Tallies by item, in the plan's order. */
export interface Tallies {
  /** What an item is known by in another arm's tallies, or another run's. */
  readonly keys: readonly ItemKey[];
  readonly values: readonly Tally[];
}

/** A rate over items. Counts are completions; `repeats` and `worstOfRepeats` are there when items have several. */
export interface Rate {
  readonly positive: number;
  readonly scored: number;
  readonly unscored: number;
  readonly rate: number | null;
  readonly ci95: [number, number] | null;
  /** The rate if all unscored were negative, and if all were positive. */
  readonly bounds: [number, number] | null;
  readonly repeats?: number;
  readonly worstOfRepeats?: number | null;
}

/** The mean of the items' positive shares: Wilson’s interval, for repeated completions in its form for a bounded mean. */
export function rateOf(tallies: Tallies): Rate {
  const all = tallies.values.filter(({ total }) => total > 0);
  const scored = all.filter((tally) => tally.scored > 0);
  const shares = scored.map(share);
  const repeats = repeatsOf(all);
  const counts = {
    positive: sum(all, ({ positive }) => positive),
    scored: sum(all, (tally) => tally.scored),
    unscored: sum(all, unscoredIn),
  };
  const rate = shares.length === 0 ? null : mean(shares);
  const bound = (as: 'positive' | 'negative') => mean(all.map((tally) => share(assume(tally, as))));
  const bounds: Rate['bounds'] = all.length === 0 ? null : [bound('negative'), bound('positive')];
  if (repeats <= 1)
    return { ...counts, rate, ci95: copy(wilsonInterval(counts.positive, counts.scored)), bounds };
  const worst = scored.filter(({ positive }) => positive > 0).length;
  return {
    ...counts,
    rate,
    ci95: copy(boundedMeanInterval(shares, [0, 1])),
    bounds,
    repeats,
    worstOfRepeats: scored.length === 0 ? null : worst / scored.length,
  };
}

/** A difference of two rates over the same items, first minus second, both scored. */
export interface PairedRate {
  readonly delta: number | null;
  readonly ci95: [number, number] | null;
  /** Items whose share is higher in the first; with single completions, those positive only there. */
  readonly rose: number;
  readonly fell: number;
  /** Exact McNemar for single completions, sign-flip permutation for repeated ones. */
  readonly p: number | null;
  readonly repeated: boolean;
  readonly pairs: number;
  readonly dropped: number;
  /** Mean squared difference of a pair (the discordant share); when 0, Wilson's upper 95 % limit of it. Null without pairs. */
  readonly variance: number | null;
}

/** The paired difference: Tango’s interval and exact McNemar; for repeated completions its form for a bounded mean, and sign flips. */
export function pairedRateOf(first: Tallies, second: Tallies): PairedRate {
  const differences: number[] = [];
  const placeOf = placesIn(first.keys, second.keys);
  let items = second.keys.length;
  for (const [at, a] of first.values.entries()) {
    const b = second.values[placeOf(at)];
    if (!b) items++;
    if (!b || a.scored === 0 || b.scored === 0) continue;
    differences.push(share(a) - share(b));
  }
  const n = differences.length;
  const rose = differences.filter((difference) => difference > 0).length;
  const fell = differences.filter((difference) => difference < 0).length;
  const repeated = Math.max(repeatsOf(first.values), repeatsOf(second.values)) > 1;
  return {
    delta: n === 0 ? null : mean(differences),
    ci95: copy(repeated ? boundedMeanInterval(differences, [-1, 1]) : tangoInterval(rose, fell, n)),
    rose,
    fell,
    p: n === 0 ? null : repeated ? signFlipP(differences, createRandom('sign flip')) : mcnemarP(rose, fell),
    repeated,
    pairs: n,
    dropped: items - n,
    variance: n === 0 ? null : mean(differences.map((d) => d * d)) || wilsonInterval(0, n)![1],
  };
}

/** Every unscored completion counted as one or the other. */
export function assumeUnscored(tallies: Tallies, as: 'positive' | 'negative'): Tallies {
  if (unscoredShare(tallies) === 0) return tallies;
  return { keys: tallies.keys, values: tallies.values.map((tally) => assume(tally, as)) };
}

/** Unscored completions over all, 0 without any. */
export function unscoredShare(tallies: Tallies): number {
  const all = tallies.values;
  const total = sum(all, (tally) => tally.total);
  return total === 0 ? 0 : sum(all, unscoredIn) / total;
}

function assume(tally: Tally, as: 'positive' | 'negative'): Tally {
  if (unscoredIn(tally) === 0) return tally;
  return {
    ...tally,
    positive: tally.positive + (as === 'positive' ? unscoredIn(tally) : 0),
    scored: tally.total,
  };
}

/** Where an item stands among another arm's; −1: nowhere. As a rule both are of one plan and in its order. */
function placesIn(keys: Tallies['keys'], others: Tallies['keys']): (at: number) => number {
  const isSame = (key: ItemKey, other: ItemKey) => key === other || nameOf(key) === nameOf(other);
  if (keys.length === others.length && keys.every((key, at) => isSame(key, others[at]!))) return (at) => at;
  const places = new Map(others.map((key, at) => [nameOf(key), at]));
  return (at) => places.get(nameOf(keys[at]!)) ?? -1;
}

/** One text for an item; made when it is needed, since a million of them take memory. */
export const nameOf = (key: ItemKey): string =>
  typeof key === 'string' ? key : `${key.id}\u0000${key.condition}`;

const share = ({ positive, scored }: Tally) => positive / scored;
const unscoredIn = ({ scored, total }: Tally) => total - scored;
const repeatsOf = (tallies: readonly Tally[]) =>
  tallies.reduce((most, { total }) => Math.max(most, total), 0);
const sum = <T>(values: readonly T[], read: (value: T) => number) =>
  values.reduce((total, value) => total + read(value), 0);
const copy = (interval: Interval | null): [number, number] | null =>
  interval ? [interval[0], interval[1]] : null;
