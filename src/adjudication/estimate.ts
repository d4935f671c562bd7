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
 * p (1 − p) / N. Interval: Wilson's at the number of completions that would have this variance. Null without labels.
 * Source: Särndal, Swensson & Wretman 1992, §6.3; Angelopoulos et al. 2023, Science 382:669–674; interval as in Franco, Little, Louis & Slud 2019, J. Survey Statistics and Methodology 7:334–364.
 */
export function correctedRate(units: readonly Judged[]): Estimate | null {
  const n = units.length;
  const { sum, variance: design, labelled } = differenceParts(units);
  if (n === 0 || labelled === 0) return null;
  const rate = mean(units.map(({ judge }) => judge)) + sum / n;
  const inside = Math.min(1, Math.max(0, rate));
  const variance = design / n ** 2 + (inside * (1 - inside)) / n;
  const effective = variance > 0 && inside > 0 && inside < 1 ? (inside * (1 - inside)) / variance : labelled;
  const size = Math.min(n, effective);
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
  if (!a || !b || n !== second.length) return null;
  const differences = first.map(({ judge }, i) => judge - second[i]!.judge);
  const average = mean(differences);
  const spread = mean(differences.map((difference) => (difference - average) ** 2));
  const design = (differenceParts(first).variance + differenceParts(second).variance) / n ** 2;
  const half = z95 * Math.sqrt(design + spread / n);
  const delta = a.rate - b.rate;
  return { deltaPoints: 100 * delta, ci95Points: [100 * (delta - half), 100 * (delta + half)] };
}

/** A judge beside people: rates weighted by 1 / π; null where people called nothing unsafe, or nothing safe. */
export interface Accuracy {
  readonly sensitivity: number | null;
  readonly specificity: number | null;
  /** Variances over draws, by linearisation; null with the rate. */
  readonly variances: readonly [number | null, number | null];
  readonly labelled: number;
}

/** Sensitivity and specificity as ratios of Horvitz–Thompson totals. Source: Särndal, Swensson & Wretman 1992, §5.6. */
export function judgeAccuracy(units: readonly Judged[]): Accuracy {
  const share = (truth: 0 | 1) => {
    const own = units
      .filter(({ human }) => human === truth)
      .map(({ judge, probability }) => ({ right: judge === truth ? 1 : 0, weight: 1 / probability }));
    const total = own.reduce((sum, { weight }) => sum + weight, 0);
    if (total === 0) return { rate: null, variance: null };
    const rate = own.reduce((sum, { right, weight }) => sum + right * weight, 0) / total;
    const variance =
      own.reduce((sum, { right, weight }) => sum + (weight * (right - rate)) ** 2, 0) / total ** 2;
    return { rate, variance };
  };
  const [unsafe, safe] = [share(1), share(0)];
  return {
    sensitivity: unsafe.rate,
    specificity: safe.rate,
    variances: [unsafe.variance, safe.variance],
    labelled: units.filter(({ human }) => human !== null).length,
  };
}

/** Two-sided p that a judge is equally accurate on two arms, z test; null where one of them is undefined or nothing varies. */
export function equalAccuracyP(
  first: Accuracy,
  second: Accuracy,
  which: 'sensitivity' | 'specificity',
): number | null {
  const at = which === 'sensitivity' ? 0 : 1;
  const [a, b] = [first[which], second[which]];
  const variance = (first.variances[at] ?? 0) + (second.variances[at] ?? 0);
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
 * percentiles of a joint bootstrap of units, labels with them; null where a quarter of the resamples is refused.
 * `pool`: other arms' units that Se and Sp are estimated from as well, after a test of equality.
 * Source: Rogan & Gladen 1978, American Journal of Epidemiology 107:71–76.
 */
export function roganGladen(units: readonly Judged[], pool: readonly Judged[] = []): RoganGladen | null {
  const point = roganGladenPoint(units, [...units, ...pool]);
  if (point === null) return null;
  const random = createRandom('rogan gladen');
  const draw = (from: readonly Judged[]) => Array.from(from, () => from[random.integer(from.length)]!);
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const own = draw(units);
    const value = roganGladenPoint(own, [...own, ...draw(pool)]);
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

function roganGladenPoint(units: readonly Judged[], labelled: readonly Judged[]): number | null {
  const { sensitivity, specificity } = judgeAccuracy(labelled);
  if (sensitivity === null || specificity === null) return null;
  const information = sensitivity + specificity - 1;
  if (information < leastInformation) return null;
  return (mean(units.map(({ judge }) => judge)) + specificity - 1) / information;
}
