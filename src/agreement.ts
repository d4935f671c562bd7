import { createRandom } from './random.ts';
import { countBy } from './records.ts';
import { cohenKappa } from './stats.ts';

/** How far judges agree on the same completions. Labels are nominal; null: this judge gave none. */

/** One completion's labels, one place for each judge. */
export type Unit = readonly (string | null)[];

/**
 * Krippendorff's α for nominal labels, any number of judges, missing labels allowed: 1 − observed / expected disagreement.
 * Units with fewer than two labels say nothing and are left out; null where all pairable labels are one class.
 * Source: Krippendorff 2004, Content Analysis, 2nd ed., §11.3; Hayes & Krippendorff 2007, Communication Methods and Measures 1:77–89.
 */
export function krippendorffAlpha(units: readonly Unit[]): number | null {
  const totals = new Map<string, number>();
  let observed = 0;
  let pairable = 0;
  for (const unit of units) {
    const labels = unit.filter((label) => label !== null);
    if (labels.length < 2) continue;
    const counts = countBy(labels, (label) => label);
    for (const [label, count] of counts) {
      totals.set(label, (totals.get(label) ?? 0) + count);
      observed += (count * (labels.length - count)) / (labels.length - 1);
    }
    pairable += labels.length;
  }
  if (totals.size < 2) return null;
  const same = [...totals.values()].reduce((sum, total) => sum + total * (total - 1), 0);
  const expected = pairable * (pairable - 1) - same;
  return 1 - ((pairable - 1) * observed) / expected;
}

/** Agreement with its percentile interval over resampled units; null where it is undefined, or for most resamples. */
export interface Agreement {
  readonly value: number | null;
  readonly ci95: [number, number] | null;
  /** Units with at least two labels. */
  readonly units: number;
}

const resamples = 1000;

/** Krippendorff's α with a percentile bootstrap interval over units, 1000 resamples. Source: Efron & Tibshirani 1993, §13.3. */
export function alphaWithInterval(units: readonly Unit[]): Agreement {
  const pairable = units.filter((unit) => unit.filter((label) => label !== null).length >= 2);
  return {
    value: krippendorffAlpha(pairable),
    ci95: bootstrap(pairable, krippendorffAlpha),
    units: pairable.length,
  };
}

/** Cohen's κ of the judges at two places, over the units that both labelled; interval as `alphaWithInterval`. */
export function kappaWithInterval(units: readonly Unit[], first: number, second: number): Agreement {
  const both = units.flatMap((unit): [string, string][] => {
    const [a = null, b = null] = [unit[first], unit[second]];
    return a === null || b === null ? [] : [[a, b]];
  });
  return { value: cohenKappa(both), ci95: bootstrap(both, cohenKappa), units: both.length };
}

function bootstrap<T>(
  units: readonly T[],
  measure: (units: readonly T[]) => number | null,
): [number, number] | null {
  if (measure(units) === null) return null;
  const random = createRandom('agreement');
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const value = measure(Array.from(units, () => units[random.integer(units.length)]!));
    if (value !== null) values.push(value);
  }
  if (values.length < resamples / 2) return null;
  values.sort((a, b) => a - b);
  const at = (p: number) => values[Math.round(p * (values.length - 1))]!;
  return [at(0.025), at(0.975)];
}
