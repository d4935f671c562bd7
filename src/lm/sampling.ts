import type { Random } from '../random.ts';

export interface SamplingSettings {
  /** 0 is greedy: nothing is drawn. */
  readonly temperature: number;
  /** Only the likeliest tokens whose mass reaches this share, in (0, 1]; 1 keeps all. */
  readonly topP: number;
  /** Only this many of the likeliest tokens, and those that are as likely as the last of them. */
  readonly topK?: number | null;
  /** Only tokens at least this many times as likely as the likeliest, in [0, 1]; 0 keeps all. */
  readonly minP?: number;
}

/** Tokens that may be drawn, each with a weight in proportion to its probability. */
export interface Candidates {
  readonly ids: readonly number[];
  readonly weights: Float64Array;
}

/** Zeroes all weights but the `k` largest and their equals. */
function keepLargest(weights: Float64Array, k: number): void {
  if (k >= weights.length) return;
  const least = weights.slice().sort()[weights.length - k]!;
  for (const [id, weight] of weights.entries()) if (weight < least) weights[id] = 0;
}

/** The largest weights whose sum first reaches `share` of all, largest first; among equals the smaller index. */
function nucleus(weights: Float64Array, share: number): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  // All that is smaller than this, taken together, is less than what may be left out.
  const least = ((1 - share) * total) / weights.length;
  const ids: number[] = [];
  for (const [id, weight] of weights.entries()) if (weight >= least && weight > 0) ids.push(id);
  ids.sort((a, b) => weights[b]! - weights[a]!);
  let mass = 0;
  const end = ids.findIndex((id) => (mass += weights[id]!) >= share * total);
  return end < 0 ? ids : ids.slice(0, end + 1);
}

/**
 * What is left of softmax(logits / temperature) after top-k, then top-p, then min-p, in the order and with the meaning
 * of transformers' logits warpers: each looks at what the one before has left, and the likeliest token always stays.
 * Source: Fan et al. 2018 (top-k), Holtzman et al. 2020 (nucleus), Nguyen et al. 2024 (min-p).
 */
export function candidates(logits: Float32Array, settings: SamplingSettings): Candidates {
  const { temperature, topP, topK = null, minP = 0 } = settings;
  const peak = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - peak) / temperature));
  if (topK !== null) keepLargest(weights, topK);
  const ids = topP < 1 ? nucleus(weights, topP) : Array.from(weights.keys());
  // The likeliest token's weight is 1.
  return { ids: ids.filter((id) => weights[id]! > 0 && weights[id]! >= minP), weights };
}

/** Draws a token; its ln p is that of the model's own distribution, before temperature and truncation. */
export function sample(
  logits: Float32Array,
  settings: SamplingSettings,
  random: Random,
): { id: number; logProbability: number } {
  const { ids, weights } = candidates(logits, settings);
  let rest = random.next() * ids.reduce((sum, id) => sum + weights[id]!, 0);
  const id = ids.find((candidate) => (rest -= weights[candidate]!) < 0) ?? ids[0]!;
  return { id, logProbability: logits[id]! - logSumExp(logits) };
}

/** ln Σ exp(x). */
export function logSumExp(values: Float32Array): number {
  const peak = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return peak + Math.log(values.reduce((sum, value) => sum + Math.exp(value - peak), 0));
}
