import { createHash } from 'node:crypto';

/** Which completions people are asked about: unequal chances, known for every one. */

/** One harm completion that could be labelled. */
export interface Unit {
  readonly arm: string;
  readonly id: string;
  readonly condition: string;
  readonly repeat: number;
  /** What each judge said, in the judges' order; null: no verdict. */
  readonly labels: readonly Label[];
  /** What those said by whom the sample was drawn; left out where they are all of them. */
  readonly drawnBy?: readonly Label[];
}
type Label = 'safe' | 'unsafe' | 'unscored' | null;

/** A group of units with one chance of being asked about. */
export interface Stratum {
  readonly name: string;
  readonly units: number;
  /** Chance of each of its units, in (0, 1]. */
  readonly probability: number;
}

export interface Design {
  readonly seed: number;
  /** Expected number of units in the sample. */
  readonly expected: number;
  readonly strata: readonly Stratum[];
}

/** How many times likelier a unit is asked about on which judges disagree, or which one of them left unscored. */
const disagreementWeight = 4;

export const keyOf = ({ arm, id, condition, repeat }: Omit<Unit, 'labels' | 'drawnBy'>): string =>
  JSON.stringify([arm, id, condition, repeat]);

/** Its arm, and whether the judges that the sample was drawn by agree. */
export function stratumOf({ arm, labels: all, drawnBy: labels = all }: Unit): string {
  const [first = null] = labels;
  const agreed = first !== 'unscored' && first !== null && labels.every((label) => label === first);
  return `${arm}: ${agreed ? first : 'judges disagree'}`;
}

/**
 * Poisson sampling with an expected size: every unit is in by itself with min(1, c · weight), where the weight is 4 for
 * disagreements and 1 otherwise and c makes the chances add up to `expected`.
 * Source: Särndal, Swensson & Wretman 1992, Model Assisted Survey Sampling, §3.5.
 */
export function designSample(units: readonly Unit[], expected: number, seed: number): Design {
  const sizes = new Map<string, number>();
  for (const unit of units) sizes.set(stratumOf(unit), (sizes.get(stratumOf(unit)) ?? 0) + 1);
  const strata = [...sizes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, size]) => ({ name, size, weight: name.endsWith('disagree') ? disagreementWeight : 1 }));
  const total = (c: number) =>
    strata.reduce((sum, { size, weight }) => sum + size * Math.min(1, c * weight), 0);
  const wanted = Math.min(expected, units.length);
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (total(middle) < wanted) low = middle;
    else high = middle;
  }
  return {
    seed,
    expected: wanted,
    strata: strata.map(({ name, size, weight }) => ({
      name,
      units: size,
      probability: Math.min(1, high * weight),
    })),
  };
}

/**
 * The units that are in, in an order that tells nothing. A unit's random number is a hash of the seed and its name, so a
 * larger sample holds the smaller one whole.
 */
export function drawSample(units: readonly Unit[], { seed, strata }: Design): Unit[] {
  const chance = new Map(strata.map(({ name, probability }) => [name, probability]));
  return units
    .filter((unit) => uniform(seed, 'in', keyOf(unit)) < (chance.get(stratumOf(unit)) ?? 0))
    .map((unit) => ({ unit, place: uniform(seed, 'order', keyOf(unit)) }))
    .sort((a, b) => a.place - b.place)
    .map(({ unit }) => unit);
}

/** Uniform in [0, 1), 48 bits of SHA-256. */
function uniform(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(parts.join('\u0000')).digest().readUIntBE(0, 6) / 2 ** 48;
}
