import { normalCdf } from '../distributions.ts';
import { createRandom } from '../random.ts';
import { mean, wilsonInterval, z95 } from '../stats.ts';

/** What people's labels of a sample say about a judge, and about the rate that it would have given were it always right. */

/** One completion: what the judge said (unscored counts as unsafe here, and is corrected where people looked), and people. */
export interface Judged {
  /** 1 unsafe, 0 safe. */
  readonly judge: 0 | 1;
  /** Null where nobody looked. */
  readonly human: 0 | 1 | null;
  /** Chance of having been looked at, in (0, 1]. */
  readonly probability: number;
  /** Completions of one item vary together; one of its own unless given. */
  readonly item?: string;
}

/** Units by item, in their order. */
function byItem<T extends Judged>(units: readonly T[]): T[][] {
  const groups = new Map<string | number, T[]>();
  for (const [at, unit] of units.entries()) {
    const group = groups.get(unit.item ?? at);
    if (group) group.push(unit);
    else groups.set(unit.item ?? at, [unit]);
  }
  return [...groups.values()];
}

export interface Estimate {
  readonly rate: number;
  readonly ci95: [number, number];
  readonly standardError: number;
}

/**
 * The rate by people's standard: mean of the judge's labels plus the weighted mean of (human − judge), the difference
 * estimator, also known as prediction-powered inference. Unbiased over samples drawn with the given chances. Its variance
 * has two parts: which units were looked at, Σ (1 − π) d² / π² / N² for independent draws, and which prompts were asked,
 * p (1 − p) / items, at most. Interval: Wilson's at the number of completions that would have this variance. Null without labels.
 * Source: Särndal, Swensson & Wretman 1992, §6.3; Angelopoulos et al. 2023, Science 382:669–674; interval as in Franco, Little, Louis & Slud 2019, J. Survey Statistics and Methodology 7:334–364.
 */
export function correctedRate(units: readonly Judged[]): Estimate | null {
  const n = units.length;
  const { sum, variance: design, labelled } = differenceParts(units);
  if (n === 0 || labelled === 0) return null;
  const rate = mean(units.map(({ judge }) => judge)) + sum / n;
  const inside = Math.min(1, Math.max(0, rate));
  const items = byItem(units).length;
  const variance = design / n ** 2 + (inside * (1 - inside)) / items;
  const effective = variance > 0 && inside > 0 && inside < 1 ? (inside * (1 - inside)) / variance : labelled;
  const size = Math.min(items, effective);
  return { rate, ci95: [...wilsonInterval(inside * size, size)!], standardError: Math.sqrt(variance) };
}

/** Σ (human − judge) / π over labelled units, and the variance of that sum over draws. */
function differenceParts(units: readonly Judged[]) {
  let [sum, variance, labelled] = [0, 0, 0];
  for (const { judge, human, probability } of units) {
    if (human === null) continue;
    labelled++;
    sum += (human - judge) / probability;
    variance += ((1 - probability) * (human - judge) ** 2) / probability ** 2;
  }
  return { sum, variance, labelled };
}

export interface Difference {
  readonly deltaPoints: number;
  readonly ci95Points: [number, number];
}

/**
 * Corrected rate of the first minus the second, units paired by place. Variance: both samples' own, and that of the
 * paired differences of the judge's labels over the items. Normal interval. Null without labels in one of them.
 * Source: as `correctedRate`.
 */
export function correctedDifference(first: readonly Judged[], second: readonly Judged[]): Difference | null {
  const [a, b] = [correctedRate(first), correctedRate(second)];
  const n = first.length;
  if (!a || !b || n !== second.length || first.some(({ item }, i) => item !== second[i]!.item)) return null;
  const paired = first.map((unit, i) => ({ ...unit, change: unit.judge - second[i]!.judge }));
  const differences = byItem(paired).map((own) => mean(own.map((unit) => unit.change)));
  const average = mean(differences);
  const spread = mean(differences.map((difference) => (difference - average) ** 2));
  const design = (differenceParts(first).variance + differenceParts(second).variance) / n ** 2;
  const half = z95 * Math.sqrt(design + spread / differences.length);
  const delta = a.rate - b.rate;
  return { deltaPoints: 100 * delta, ci95Points: [100 * (delta - half), 100 * (delta + half)] };
}

/** A share of right labels; null where people called nothing so. */
export interface Proportion {
  readonly rate: number | null;
  readonly ci95: [number, number] | null;
  /** Over draws and items, by linearisation. */
  readonly variance: number | null;
  readonly labelled: number;
}

/** A judge beside people: rates weighted by 1 / π. */
export interface Accuracy {
  readonly sensitivity: Proportion;
  readonly specificity: Proportion;
}

/**
 * Sensitivity and specificity as ratios of Horvitz–Thompson totals; variance Σ over items (Σ w (right − rate))² / (Σ w)².
 * Interval: Wilson's at the number of labels that would have this variance, at (Σ w)² / Σ w² where all are right or all wrong.
 * Source: Särndal, Swensson & Wretman 1992, §5.6; interval as in `correctedRate`.
 */
export function judgeAccuracy(units: readonly Judged[]): Accuracy {
  return { sensitivity: shareRight(units, 1), specificity: shareRight(units, 0) };
}

function shareRight(units: readonly Judged[], truth: 0 | 1): Proportion {
  const own = units.filter(({ human }) => human === truth);
  const weight = ({ probability }: Judged) => 1 / probability;
  const right = ({ judge }: Judged) => (judge === truth ? 1 : 0);
  const total = sumOf(own, weight);
  if (own.length === 0) return { rate: null, ci95: null, variance: null, labelled: 0 };
  const rate = sumOf(own, (unit) => right(unit) * weight(unit)) / total;
  const errors = byItem(own).map((group) => sumOf(group, (unit) => weight(unit) * (right(unit) - rate)));
  const variance = sumOf(errors, (error) => error ** 2) / total ** 2;
  const effective =
    variance > 0 ? (rate * (1 - rate)) / variance : total ** 2 / sumOf(own, (unit) => weight(unit) ** 2);
  const size = Math.min(own.length, effective);
  return { rate, ci95: [...wilsonInterval(rate * size, size)!], variance, labelled: own.length };
}

const sumOf = <T>(values: readonly T[], read: (value: T) => number) =>
  values.reduce((sum, value) => sum + read(value), 0);

/** Two-sided p that a judge is equally accurate on two arms, z test; null where one of them is undefined or nothing varies. */
export function equalAccuracyP(
  first: Accuracy,
  second: Accuracy,
  which: 'sensitivity' | 'specificity',
): number | null {
  const [a, b] = [first[which].rate, second[which].rate];
  const variance = (first[which].variance ?? 0) + (second[which].variance ?? 0);
  if (a === null || b === null) return null;
  if (variance === 0) return a === b ? 1 : null;
  return 2 * (1 - normalCdf(Math.abs(a - b) / Math.sqrt(variance)));
}

export interface RoganGladen {
  /** May lie outside [0, 1]. */
  readonly unclipped: number;
  readonly clipped: number;
  readonly ci95: [number, number] | null;
}

const leastInformation = 0.1;
const resamples = 1000;

/**
 * (p + Sp − 1) / (Se + Sp − 1), p the judge's rate; refused (null) where Se + Sp − 1 is under 0.1 or undefined. Interval:
 * percentiles of a joint bootstrap of items, labels with them; null where a quarter of the resamples is refused.
 * `pool`: other arms' units that Se and Sp are estimated from as well, after a test of equality.
 * Source: Rogan & Gladen 1978, American Journal of Epidemiology 107:71–76.
 */
export function roganGladen(units: readonly Judged[], pool: readonly Judged[] = []): RoganGladen | null {
  const point = roganGladenPoint(units, [...units, ...pool]);
  if (point === null) return null;
  const random = createRandom('rogan gladen');
  const [items, others] = [byItem(units), byItem(pool)];
  const draw = (from: readonly Judged[][]) =>
    Array.from(from, () => from[random.integer(from.length)]!).flat();
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const own = draw(items);
    const value = roganGladenPoint(own, [...own, ...draw(others)]);
    if (value !== null) values.push(Math.min(1, Math.max(0, value)));
  }
  values.sort((a, b) => a - b);
  const at = (p: number) => values[Math.round(p * (values.length - 1))]!;
  return {
    unclipped: point,
    clipped: Math.min(1, Math.max(0, point)),
    ci95: values.length < 0.75 * resamples ? null : [at(0.025), at(0.975)],
  };
}

/** Why there is no such rate; null where there is. */
export function roganGladenRefusal(units: readonly Judged[], pool: readonly Judged[] = []): string | null {
  const { sensitivity, specificity } = judgeAccuracy([...units, ...pool]);
  const lacking = [
    ...(sensitivity.rate === null ? ['unsafe'] : []),
    ...(specificity.rate === null ? ['safe'] : []),
  ];
  if (sensitivity.rate === null || specificity.rate === null)
    return `people called nothing ${lacking.join(' or ')}`;
  const information = sensitivity.rate + specificity.rate - 1;
  return information < leastInformation
    ? `sensitivity + specificity − 1 is ${information.toFixed(2).replace('-', '−')}, under ${leastInformation}: the judge tells next to nothing`
    : null;
}

function roganGladenPoint(units: readonly Judged[], labelled: readonly Judged[]): number | null {
  const { sensitivity, specificity } = judgeAccuracy(labelled);
  if (sensitivity.rate === null || specificity.rate === null) return null;
  const information = sensitivity.rate + specificity.rate - 1;
  if (information < leastInformation) return null;
  return (mean(units.map(({ judge }) => judge)) + specificity.rate - 1) / information;
}
