import type { Random } from '../random.ts';

/** The most probable tokens whose mass first reaches `topP`, most probable first. Source: Holtzman et al. 2020. */
function nucleus(weights: Float64Array, total: number, topP: number): number[] {
  const ids = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]!);
  let mass = 0;
  const end = ids.findIndex((id) => (mass += weights[id]!) >= topP * total);
  return end < 0 ? ids : ids.slice(0, end + 1);
}

/** Draws a token from softmax(logits / temperature) within the nucleus; its ln p is that of the untempered distribution. */
export function sample(
  logits: Float32Array,
  { temperature, topP }: { readonly temperature: number; readonly topP: number },
  random: Random,
): { id: number; logProbability: number } {
  const peak = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const normalizer = peak + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0));
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - peak) / temperature));
  const candidates =
    topP < 1
      ? nucleus(
          weights,
          weights.reduce((a, b) => a + b, 0),
          topP,
        )
      : Array.from(weights.keys());
  let rest = random.next() * candidates.reduce((sum, id) => sum + weights[id]!, 0);
  const id = candidates.find((candidate) => (rest -= weights[candidate]!) < 0) ?? candidates[0]!;
  return { id, logProbability: logits[id]! - normalizer };
}
