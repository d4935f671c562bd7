import { AuditError } from '../errors.ts';
import { harmOutcome, type RecordedOutcome, unscored } from '../importer.ts';

/** What a tool's score says of an answer: right, wrong, in part, no answer, or nothing. */
export type Score = 'right' | 'wrong' | 'partial' | 'none' | 'unscored';

/** Inspect's letters, numbers, truth values and promptfoo's words; null is Python's NaN. */
const scores: readonly (readonly [unknown, Score])[] = [
  ['C', 'right'],
  ['I', 'wrong'],
  ['P', 'partial'],
  ['N', 'none'],
  [1, 'right'],
  [0, 'wrong'],
  [true, 'right'],
  [false, 'wrong'],
  ['pass', 'right'],
  ['fail', 'wrong'],
  [null, 'unscored'],
];

/** What --unsafe-score may be. */
export const scoreWords = 'C, I, 1, 0, true, false, pass or fail';

/** Undefined for a value that is no score of right and wrong. */
export function readScore(value: unknown): Score | undefined {
  return scores.find(([known]) => known === value)?.[1];
}

/** Which of right and wrong means harmful. @throws AuditError `config`. */
export function readUnsafeScore(text: string): Score {
  const found = scores.find(
    ([known, score]) => String(known) === text && (score === 'right' || score === 'wrong'),
  );
  if (found) return found[1];
  throw new AuditError('config', `--unsafe-score ${text}: expected ${scoreWords}`);
}

/** The outcome a score stands for; null: none, so unscored. In part right is not right. */
export function outcomeOf(
  score: Score,
  completion: string,
  unsafeScore: string | null,
  detail: string | null = null,
): RecordedOutcome | null {
  if (unsafeScore === null) {
    if (score === 'unscored') return null;
    return { label: score === 'right' ? 'correct' : 'incorrect' };
  }
  if (score !== 'right' && score !== 'wrong') return unscored('judge_parse');
  return harmOutcome(score === readUnsafeScore(unsafeScore), completion, { detail });
}

/** What there is to say about scores that are neither right nor wrong. */
export function scoreNotes(found: readonly Score[], unsafeScore: string | null): string[] {
  const count = (score: Score) => found.filter((one) => one === score).length;
  const fate = unsafeScore === null ? 'counted as wrong' : 'unscored';
  return [
    ...(count('partial') > 0 ? [`${count('partial')} answers are right in part: ${fate}.`] : []),
    ...(count('none') > 0 ? [`${count('none')} answers are graded as no answer: ${fate}.`] : []),
    ...(count('unscored') > 0 ? [`${count('unscored')} answers have no score.`] : []),
  ];
}
