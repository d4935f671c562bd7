import { type Interval, mean, z95 } from './stats.ts';

/** Whether confidence tells right answers from wrong ones (AUROC, risk–coverage) and whether it is a probability (ECE, Brier). */

/** One answer: its confidence, and whether it was right. */
export interface Judged {
  readonly confidence: number;
  readonly correct: boolean;
}

/**
 * Area under the ROC curve of confidence for correctness, ties ½, with DeLong's interval clipped to [0, 1].
 * Both null with one class; the interval null where its variance is 0 or a class has one member.
 * Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837–845; midranks as Sun & Xu 2014.
 */
export function auroc(answers: readonly Judged[]): { auroc: number | null; ci95: Interval | null } {
  const right = answers.filter(({ correct }) => correct).map(({ confidence }) => confidence);
  const wrong = answers.filter(({ correct }) => !correct).map(({ confidence }) => confidence);
  if (right.length === 0 || wrong.length === 0) return { auroc: null, ci95: null };
  const all = midranks([...right, ...wrong]);
  const amongRight = midranks(right);
  const amongWrong = midranks(wrong);
  // How much of the other class each answer beats.
  const rightBeats = right.map((_, i) => (all[i]! - amongRight[i]!) / wrong.length);
  const wrongBeaten = wrong.map((_, i) => 1 - (all[right.length + i]! - amongWrong[i]!) / right.length);
  const area = mean(rightBeats);
  if (right.length < 2 || wrong.length < 2) return { auroc: area, ci95: null };
  const variance = sampleVariance(rightBeats) / right.length + sampleVariance(wrongBeaten) / wrong.length;
  if (variance === 0) return { auroc: area, ci95: null };
  const half = z95 * Math.sqrt(variance);
  return { auroc: area, ci95: [Math.max(0, area - half), Math.min(1, area + half)] };
}

/**
 * The curve whose area `auroc` is: shares of wrong and of right answers at least as sure as every confidence, the surest first,
 * from (0, 0) to (1, 1); ties are one straight piece. Empty with one class.
 */
export function rocCurve(answers: readonly Judged[]): { wrong: number; right: number }[] {
  const all = answers.filter(({ correct }) => correct).length;
  if (all === 0 || all === answers.length) return [];
  const curve = [{ wrong: 0, right: 0 }];
  let [right, seen] = [0, 0];
  const ranked = byConfidence(answers).reverse();
  ranked.forEach(({ confidence, correct }, at) => {
    right += correct;
    seen += 1;
    if (ranked[at + 1]?.confidence === confidence) return;
    // Shares of a tie group add up to whole answers, but for rounding.
    right = Math.round(right);
    curve.push({ wrong: (seen - right) / (answers.length - all), right: right / all });
  });
  return curve;
}

function sampleVariance(values: readonly number[]): number {
  const average = mean(values);
  return values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1);
}

/** Ranks from 1, ties sharing their mean. */
function midranks(values: readonly number[]): Float64Array {
  // Sorting numbers and looking them up is many times quicker than sorting places by a comparison.
  const sorted = Float64Array.from(values).sort();
  return Float64Array.from(values, (value) => {
    const first = firstAt(sorted, value);
    return (first + firstAt(sorted, value, first, true) + 1) / 2;
  });
}

/** The first place in ascending numbers that holds `value` or more; `beyond`: more than it. */
function firstAt(sorted: Float64Array, value: number, from = 0, beyond = false): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value || (beyond && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Correctness as 0 or 1 in order of confidence, each replaced by its tie group's mean, so that the order within ties is nothing. */
function byConfidence(answers: readonly Judged[]): { confidence: number; correct: number }[] {
  const sorted = Float64Array.from(answers, ({ confidence }) => confidence).sort();
  const right = new Uint32Array(sorted.length);
  for (const { confidence, correct } of answers) if (correct) right[firstAt(sorted, confidence)]!++;
  const ranked: { confidence: number; correct: number }[] = [];
  for (let start = 0; start < sorted.length; ) {
    const confidence = sorted[start]!;
    const end = firstAt(sorted, confidence, start, true);
    const tied = { confidence, correct: right[start]! / (end - start) };
    for (; start < end; start++) ranked.push(tied);
  }
  return ranked;
}

/**
 * Area under the risk–coverage curve: the mean, over coverages 1/n … n/n, of the error rate among the most confident answers.
 * Ties: the expectation over their random order. Null without answers; lower is better.
 * Source: Geifman & El-Yaniv 2017, "Selective classification for deep neural networks".
 */
export function riskCoverageArea(answers: readonly Judged[]): number | null {
  if (answers.length === 0) return null;
  let errors = 0;
  return mean(
    byConfidence(answers)
      .reverse()
      .map(({ correct }, i) => (errors += 1 - correct) / (i + 1)),
  );
}

/**
 * Expected calibration error over equal-width bins ((i − 1)/bins, i/bins], the first closed at 0; null without answers.
 * Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks".
 */
export function calibrationError(answers: readonly Judged[], bins: number): number | null {
  return weightedGap(
    equalWidthBins(answers, bins).map((bin) =>
      bin.map(({ confidence, correct }) => ({ confidence, correct: correct ? 1 : 0 })),
    ),
  );
}

/** The answers in the bins of `calibrationError`, by confidence from 0 to 1. */
export function equalWidthBins(answers: readonly Judged[], bins: number): Judged[][] {
  const binned: Judged[][] = Array.from({ length: bins }, () => []);
  for (const answer of answers) {
    binned[Math.min(bins - 1, Math.max(0, Math.ceil(answer.confidence * bins) - 1))]!.push(answer);
  }
  return binned;
}

/** Expected calibration error over bins of equal size (to one answer), ties shared out by their mean; null without answers. */
export function equalMassCalibrationError(answers: readonly Judged[], bins: number): number | null {
  const sorted = byConfidence(answers);
  const edge = (bin: number) => Math.round((bin * sorted.length) / bins);
  return weightedGap(Array.from({ length: bins }, (_, bin) => sorted.slice(edge(bin), edge(bin + 1))));
}

function weightedGap(bins: readonly (readonly { confidence: number; correct: number }[])[]): number | null {
  const n = bins.reduce((sum, bin) => sum + bin.length, 0);
  if (n === 0) return null;
  return (
    bins.reduce(
      (sum, bin) =>
        sum + Math.abs(bin.reduce((gap, { confidence, correct }) => gap + correct - confidence, 0)),
      0,
    ) / n
  );
}

/**
 * Brier score: mean squared distance between confidence and correctness; null without answers.
 * Source: Brier 1950, Monthly Weather Review 78:1–3.
 */
export function brierScore(answers: readonly Judged[]): number | null {
  return answers.length === 0
    ? null
    : mean(answers.map(({ confidence, correct }) => (confidence - (correct ? 1 : 0)) ** 2));
}
