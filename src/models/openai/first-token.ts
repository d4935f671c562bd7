import type { FirstTokenMass } from '../../model.ts';
import type { ServerPosition } from './tokens.ts';

/** The most, in nats, by which what a server hides may move a log-odds that is still given. */
const tolerance = 0.05;

/**
 * The probability that the first token is one of `ids`, from the largest log-probabilities that a server gives: those
 * of the tokens it shows, each of which tells its own exactly. Null where the tokens that it hides could move the
 * log-odds by more than 0.05: a hidden one has at most the probability of the least one shown, and all together at most
 * what is left.
 */
export function massFromTop({ top }: ServerPosition, ids: readonly number[]): FirstTokenMass | null {
  const wanted = new Set(ids);
  const shown = new Map(top.map(({ id, logProbability }) => [id, Math.exp(logProbability)]));
  const total = sum([...shown.values()]);
  const seen = sum([...shown].map(([id, probability]) => (wanted.has(id) ? probability : 0)));
  const least = Math.min(...shown.values());
  const hiddenCount = [...wanted].filter((id) => !shown.has(id)).length;
  const hidden = Math.min(Math.max(0, 1 - total), hiddenCount * least);
  const [low, high] = [logOdds(seen, 1 - seen), logOdds(seen + hidden, 1 - seen - hidden)];
  if (shown.size === 0 || (hidden > 0 && !(high - low <= tolerance))) return null;
  // 1 − P from the shown tokens that are not in the set is exact where P is close to 1.
  return { probability: seen, logOdds: logOdds(seen, Math.max(1 - total, 0) + (total - seen)) };
}

const logOdds = (p: number, q: number) => Math.log(p) - Math.log(Math.max(0, q));
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
