/** A parameter and its gradient, both updated and read in place. */
export interface Parameter {
  readonly key: string;
  readonly data: Float32Array;
  /** Norm weights and embeddings are usually not decayed; adapters are. */
  readonly decayed: boolean;
}

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export interface Optimizer {
  /** One update with the gradients by key. @throws Error (internal) when one is missing. */
  step(gradients: ReadonlyMap<string, Float32Array>, learningRate: number): void;
  /** What it remembers, by `<key>.<name>`: the arrays in use, so that filling them is restoring. */
  readonly state: ReadonlyMap<string, Float32Array | Uint8Array>;
  /** Steps taken; set together with the state when training is resumed. */
  steps: number;
}

/** What one step does to every element. */
export interface Update extends AdamWSettings {
  /** Factor on the parameter: 1 − learning rate · weight decay. */
  readonly keep: number;
  /** Learning rate / (1 − β₁ᵗ). */
  readonly rate: number;
  /** √(1 − β₂ᵗ). */
  readonly correction: number;
}

/** AdamW with bias correction and decoupled weight decay, in place. Source: Loshchilov & Hutter 2019, algorithm 2; as torch.optim.AdamW. */
export function updateInPlace(
  data: Float32Array,
  gradient: Float32Array,
  mean: Float32Array,
  square: Float32Array,
  { beta1, beta2, epsilon, keep, rate, correction }: Update,
): void {
  for (let i = 0; i < data.length; i++) {
    const g = gradient[i]!;
    const m = (mean[i] = beta1 * mean[i]! + (1 - beta1) * g);
    const v = (square[i] = beta2 * square[i]! + (1 - beta2) * g * g);
    data[i] = keep * data[i]! - (rate * m) / (Math.sqrt(v) / correction + epsilon);
  }
}

/** How one tensor is updated, and what is remembered for it. */
export interface TensorState {
  readonly arrays: Readonly<Record<string, Float32Array | Uint8Array>>;
  update(data: Float32Array, gradient: Float32Array, update: Update): void;
}

export function plainState(length: number): TensorState {
  const [mean, square] = [new Float32Array(length), new Float32Array(length)];
  return {
    arrays: { mean, square },
    update: (data, gradient, update) => updateInPlace(data, gradient, mean, square, update),
  };
}

/** AdamW over tensors whose moments are kept as `stateOf` says: in 32 bits unless told otherwise. */
export function createAdamW(
  parameters: readonly Parameter[],
  settings: AdamWSettings,
  stateOf: (length: number) => TensorState = plainState,
): Optimizer {
  const { beta1, beta2, weightDecay } = settings;
  const states = parameters.map(({ data }) => stateOf(data.length));
  return {
    steps: 0,
    state: new Map(
      parameters.flatMap(({ key }, index) =>
        Object.entries(states[index]!.arrays).map(([name, array]) => [`${key}.${name}`, array] as const),
      ),
    ),
    step(gradients, learningRate) {
      this.steps++;
      const rate = learningRate / (1 - beta1 ** this.steps);
      const correction = Math.sqrt(1 - beta2 ** this.steps);
      for (const [index, { key, data, decayed }] of parameters.entries()) {
        const gradient = gradients.get(key);
        if (!gradient) throw new Error(`internal: no gradient for ${key}`);
        const keep = decayed ? 1 - learningRate * weightDecay : 1;
        states[index]!.update(data, gradient, { ...settings, keep, rate, correction });
      }
    },
  };
}

/** Scales all gradients so that their global L2 norm is at most `limit`; returns the norm before. As torch's clip_grad_norm_. */
export function clipGradients(gradients: ReadonlyMap<string, Float32Array>, limit: number | null): number {
  let sum = 0;
  for (const gradient of gradients.values())
    for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  const norm = Math.sqrt(sum);
  if (limit !== null && norm > limit) {
    const factor = limit / (norm + 1e-6);
    for (const gradient of gradients.values())
      for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
  }
  return norm;
}

/**
 * The learning rate of a step (from 1): linear warm-up, then constant or linear to 0.
 * Source: transformers' get_linear_schedule_with_warmup, whose first step has rate 0 when there is a warm-up.
 */
export function learningRateAt(
  step: number,
  settings: { learningRate: number; warmupSteps: number; steps: number; schedule: 'linear' | 'constant' },
): number {
  const { learningRate, warmupSteps, steps, schedule } = settings;
  const done = step - 1;
  if (done < warmupSteps) return (learningRate * done) / Math.max(1, warmupSteps);
  if (schedule === 'constant') return learningRate;
  return learningRate * Math.max(0, (steps - done) / Math.max(1, steps - warmupSteps));
}
