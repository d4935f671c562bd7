import type { Judged } from '../calibration.ts';
import { judgedOf } from '../drift-metrics.ts';
import type { ReportInput } from '../report.ts';
import { type AnswersUnder, answersUnder } from './joined-outcomes.ts';

/** Answers with a confidence, as AUROC and ECE count them. */
export interface ConfidentAnswers extends AnswersUnder {
  readonly judged: readonly Judged[];
}

/**
 * Condition by condition and arm by arm, for figures that take a panel for each: further doses of a context are left out
 * of the drawing (`drawn`), not of the data.
 */
export function confidentAnswers(input: ReportInput): {
  all: ConfidentAnswers[];
  drawn: ConfidentAnswers[];
  leftOut: string;
} {
  const all = answersUnder(input)
    .map((one) => ({ ...one, judged: judgedOf(one.answers) }))
    .filter(({ judged }) => judged.length > 0);
  const drawn = all.filter(({ drift }) => (drift.contextRepeats ?? 1) === 1);
  const leftOut =
    drawn.length < all.length ? ' Drawn are contexts stated once; the data have the others, too.' : '';
  return { all, drawn, leftOut };
}
