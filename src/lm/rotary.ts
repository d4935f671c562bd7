import type { LayerKind } from './architecture.ts';
import type { DecoderConfig, RopeScaling } from './config.ts';

/** Rotary position embedding. Source: Su et al. 2021, arXiv 2104.09864. */

type Rotary = Pick<DecoderConfig, 'headSize' | 'ropeTheta'> & { readonly ropeScaling?: RopeScaling };

/** The angle per position of each pair of a head's dimensions, θ^(−2i/h), stretched where the model was; h/2 values. */
export function rotaryFrequencies({ headSize, ropeTheta, ropeScaling }: Rotary): number[] {
  const plain = Array.from({ length: headSize / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headSize));
  return ropeScaling ? plain.map((frequency, i) => stretch(frequency, i, ropeScaling)) : plain;
}

/**
 * `linear` slows every rotation by `factor`; `longrope` each by its own (Ding et al. 2024, arXiv 2402.13753);
 * `llama3` slows slow rotations, keeps fast ones and blends between. Source: transformers' modeling_rope_utils.
 */
function stretch(frequency: number, i: number, scaling: RopeScaling): number {
  if (scaling.type === 'linear') return frequency / scaling.factor;
  if (scaling.type === 'longrope') return frequency / scaling.factors[i]!;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContextLength } = scaling;
  const turns = (originalContextLength * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const kept = (turns - low) / (high - low);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** cos and sin of position · frequency, [contextLength, h/2]; longrope's are lengthened by its attention factor. */
export function rotaryTables(
  config: DecoderConfig,
  rope: LayerKind['rope'] = 'global',
): { cosines: Float32Array; sines: Float32Array } {
  const { headSize, ropeTheta, ropeScaling, architecture } = config;
  const local = { headSize, ropeTheta: architecture.localRopeTheta ?? ropeTheta };
  const frequencies =
    rope === 'none'
      ? new Array<number>(headSize / 2).fill(0)
      : rotaryFrequencies(rope === 'local' ? local : config);
  const length = rope !== 'none' && ropeScaling?.type === 'longrope' ? ropeScaling.attentionFactor : 1;
  const half = frequencies.length;
  const angle = (index: number) => Math.floor(index / half) * frequencies[index % half]!;
  const size = config.contextLength * half;
  return {
    cosines: Float32Array.from({ length: size }, (_, index) => length * Math.cos(angle(index))),
    sines: Float32Array.from({ length: size }, (_, index) => length * Math.sin(angle(index))),
  };
}
