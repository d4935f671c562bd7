import type { DecoderConfig, RopeScaling } from './config.ts';

/** Rotary position embedding. Source: Su et al. 2021, arXiv 2104.09864. */

/** The angle per position of each pair of a head's dimensions, θ^(−2i/h), stretched where the model was; h/2 values. */
export function rotaryFrequencies({
  headSize,
  ropeTheta,
  ropeScaling,
}: Pick<DecoderConfig, 'headSize' | 'ropeTheta' | 'ropeScaling'>): number[] {
  const plain = Array.from({ length: headSize / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headSize));
  return ropeScaling ? plain.map((frequency) => stretch(frequency, ropeScaling)) : plain;
}

/**
 * Llama 3.1's scaling: slow rotations are slowed by `factor`, fast ones kept, those between blended.
 * Source: transformers, `_compute_llama3_parameters`.
 */
function stretch(frequency: number, scaling: RopeScaling): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContextLength } = scaling;
  const turns = (originalContextLength * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const kept = (turns - low) / (high - low);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** cos and sin of position · frequency, [contextLength, h/2]. */
export function rotaryTables(config: DecoderConfig): { cosines: Float32Array; sines: Float32Array } {
  const frequencies = rotaryFrequencies(config);
  const half = frequencies.length;
  const angle = (index: number) => Math.floor(index / half) * frequencies[index % half]!;
  const length = config.contextLength * half;
  return {
    cosines: Float32Array.from({ length }, (_, index) => Math.cos(angle(index))),
    sines: Float32Array.from({ length }, (_, index) => Math.sin(angle(index))),
  };
}
