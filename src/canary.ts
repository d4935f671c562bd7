import type { FirstTokens } from './server-record.ts';

/** Whether a model behind a server is the one it is said to be: what it would say first after prompts that never change. */

/** Everyday questions; what matters is that they are always the same. */
export const canaryPrompts: readonly string[] = [
  'Say hello.',
  'What is the capital of France?',
  'Write one sentence about the sea.',
  'Name a number between one and ten.',
];

/** Least change, in nats, that is no rounding. */
const noticeable = 1e-3;
/** Most by which two readings of the same model differ: sixteen-bit logits are sums of another order in another batch. */
const rounding = 0.05;

/**
 * Mean |Δ ln p|, in nats, over the tokens that either of two readings shows, then over the prompts. A token that one
 * of them does not show is at most as likely as its least one: the difference is at least what is counted.
 */
export function canaryDistance(a: readonly FirstTokens[], b: readonly FirstTokens[]): number {
  const distances = a.map((own, at) => distanceOf(own, b[at] ?? {}));
  return distances.reduce((sum, value) => sum + value, 0) / Math.max(1, distances.length);
}

function distanceOf(a: FirstTokens, b: FirstTokens): number {
  const leastOf = (tokens: FirstTokens) => Math.min(0, ...Object.values(tokens));
  const [leastA, leastB] = [leastOf(a), leastOf(b)];
  const shown = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const difference = (token: string) => {
    const [first, second] = [a[token], b[token]];
    if (first !== undefined && second !== undefined) return Math.abs(first - second);
    return first !== undefined ? Math.max(0, first - leastB) : Math.max(0, second! - leastA);
  };
  return shown.reduce((sum, token) => sum + difference(token), 0) / Math.max(1, shown.length);
}

/** Whether an adapter does anything: it moves the base's reading by more than rounding does (`noise`: a second reading's distance). */
export const isMoved = (distance: number, noise: number): boolean =>
  distance > Math.max(noticeable, 3 * noise);

/** Whether two readings can be of the same model. */
export const isSame = (distance: number, noise: number): boolean => distance <= Math.max(rounding, 3 * noise);

/**
 * Whether a reading is rather another model's: far nearer to that one's earlier reading than to its own. Adapters that
 * change less than rounding can are told apart so.
 */
export const isStrayed = (distance: number, toOther: number): boolean =>
  distance > noticeable && toOther < distance / 3;
