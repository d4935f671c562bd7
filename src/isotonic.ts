import type { Judged } from './calibration.ts';
import { sha256 } from './hash.ts';

/** Recalibration: confidence turned into a probability of being right, by answers other than those it is tried on. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The non-decreasing function of x that is nearest to y in least squares: exact, by pooling adjacent violators; equal x count as
 * their mean. Between the points it is interpolated linearly, outside them constant. @throws Error without points.
 * Source: Ayer, Brunk, Ewing, Reid & Silverman 1955, Annals of Mathematical Statistics 26:641–647.
 */
export function isotonicFit(points: readonly Point[]): (x: number) => number {
  if (points.length === 0) throw new Error('internal: isotonic regression of no points');
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const places: number[] = [];
  const blocks: { sum: number; weight: number; places: number }[] = [];
  for (const { x, y } of sorted) {
    const last = blocks.at(-1);
    if (last && places.at(-1) === x) {
      last.sum += y;
      last.weight += 1;
    } else {
      places.push(x);
      blocks.push({ sum: y, weight: 1, places: 1 });
    }
  }
  const pooled: typeof blocks = [];
  for (const block of blocks) {
    let own = block;
    for (
      let last = pooled.at(-1);
      last && last.sum / last.weight >= own.sum / own.weight;
      last = pooled.at(-1)
    ) {
      pooled.pop();
      own = { sum: last.sum + own.sum, weight: last.weight + own.weight, places: last.places + own.places };
    }
    pooled.push(own);
  }
  const fitted = pooled.flatMap(({ sum, weight, places: n }) => new Array<number>(n).fill(sum / weight));
  return (x) => interpolate(places, fitted, x);
}

function interpolate(places: readonly number[], values: readonly number[], x: number): number {
  if (x <= places[0]!) return values[0]!;
  if (x >= places.at(-1)!) return values.at(-1)!;
  let [low, high] = [0, places.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (places[middle]! <= x) low = middle;
    else high = middle;
  }
  const share = (x - places[low]!) / (places[high]! - places[low]!);
  return values[low]! + share * (values[high]! - values[low]!);
}

const folds = 5;
const fewestAnswers = 50;

/** The fold of an item, 0 to 4, by the hash of its id: repeats and conditions of one question never meet across folds. */
export function foldOf(id: string): number {
  return Number.parseInt(sha256(id).slice(0, 8), 16) % folds;
}

/**
 * Every answer with its confidence replaced by the share right that isotonic regression expects of it, fitted to the other folds:
 * no answer helps to calibrate itself. Assumes that a higher confidence never means less often right. Null below 50 answers.
 * Source: Zadrozny & Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates".
 */
export function recalibrate(answers: readonly (Judged & { readonly fold: number })[]): Judged[] | null {
  if (answers.length < fewestAnswers) return null;
  const present = [...new Set(answers.map(({ fold }) => fold))];
  if (present.length < 2) return null;
  const fits = new Map(
    present.map((fold) => [
      fold,
      isotonicFit(
        answers
          .filter((answer) => answer.fold !== fold)
          .map(({ confidence, correct }) => ({ x: confidence, y: correct ? 1 : 0 })),
      ),
    ]),
  );
  return answers.map(({ confidence, correct, fold }) => ({
    confidence: fits.get(fold)!(confidence),
    correct,
  }));
}
