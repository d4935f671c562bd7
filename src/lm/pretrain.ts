import { AuditError, throwIfAborted } from '../errors.ts';
import { elementCount } from '../onnx/tensor.ts';
import { createRandom } from '../random.ts';
import { backpropagate, type Gradients, parameterKey, type Trained } from './backpropagation.ts';
import type { Sequence } from './batch.ts';
import { decoderTensorShapes } from './checkpoint.ts';
import type { DecoderConfig } from './config.ts';
import { createDecoder } from './decoder.ts';
import { layerTensors, weightName } from './layer-tensors.ts';
import { clipGradients, createAdamW, type Parameter } from './optimizer.ts';

/** Full-parameter training from scratch: what makes the embedded reference model. */
export interface PretrainSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  readonly warmupSteps: number;
  /** Share of the steps after which the rate falls linearly to `finalShare` of itself. */
  readonly flatShare: number;
  readonly finalShare: number;
  readonly maxGradientNorm: number;
  /** Padded tokens per step, about. */
  readonly tokensPerStep: number;
  readonly epochs: number;
  readonly seed: number;
  readonly threads: number;
}

export interface PretrainStep {
  readonly step: number;
  readonly steps: number;
  /** Weighted mean negative log-likelihood, nats. */
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly tokens: number;
}

/** Weights by their Hugging Face names, float32. */
export type TrainedWeights = ReadonlyMap<string, Float32Array>;

/** Normal(0, 0.02), the projections into the residual stream scaled by 1/√(2·layers), norms 1. Source: Radford et al. 2019. */
export function initialWeights(config: DecoderConfig, seed: number): TrainedWeights {
  const random = createRandom('weights', seed);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of decoderTensorShapes(config)) {
    const size = elementCount(shape);
    const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
    const deviation = 0.02 / (residual ? Math.sqrt(2 * config.layers) : 1);
    weights.set(
      name,
      shape.length === 1
        ? new Float32Array(size).fill(1)
        : Float32Array.from({ length: size }, () => deviation * random.normal()),
    );
  }
  return weights;
}

/** Rows sorted by length together: enough for little padding, few enough that a batch holds every kind of row. */
const bucketRows = 4096;

/** Batches of similar length, in an order of their own for every epoch. */
export function lengthBuckets(
  sequences: readonly Sequence[],
  tokensPerStep: number,
  seed: string,
): Sequence[][] {
  const random = createRandom('buckets', seed);
  const shuffled = random.shuffle(sequences);
  const batches: Sequence[][] = [];
  for (let from = 0; from < shuffled.length; from += bucketRows) {
    const bucket = shuffled.slice(from, from + bucketRows).sort((a, b) => a.ids.length - b.ids.length);
    let batch: Sequence[] = [];
    for (const sequence of bucket) {
      if (batch.length && (batch.length + 1) * sequence.ids.length > tokensPerStep) {
        batches.push(batch);
        batch = [];
      }
      batch.push(sequence);
    }
    batches.push(batch);
  }
  return random.shuffle(batches);
}

function rateAt(step: number, steps: number, settings: PretrainSettings): number {
  const { learningRate, warmupSteps, flatShare, finalShare } = settings;
  const flat = Math.floor(steps * flatShare);
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  if (step <= flat) return learningRate;
  return learningRate * (1 - ((1 - finalShare) * (step - flat)) / Math.max(1, steps - flat));
}

/** Every weight with the key of its gradient; matrices are decayed, norms and the embedding are not. */
function weightParameters(config: DecoderConfig, weights: TrainedWeights): Parameter[] {
  const get = (name: string) => weights.get(name)!;
  const layers = Array.from({ length: config.layers }, (_, layer) =>
    layerTensors(config).map(({ input: name }) => ({
      key: parameterKey(layer, name),
      data: get(weightName(layer, name)),
      decayed: !name.includes('norm'),
    })),
  ).flat();
  return [
    ...layers,
    { key: 'norm.weight', data: get('model.norm.weight'), decayed: false },
    { key: 'head.weight', data: get('model.embed_tokens.weight'), decayed: false },
  ];
}

/**
 * Trains all weights in place. Only models with tied embeddings.
 * @throws AuditError `engine` when the loss is no longer a number, `interrupted` when the signal fires.
 */
export async function pretrain(
  config: DecoderConfig,
  weights: TrainedWeights,
  sequences: readonly Sequence[],
  settings: PretrainSettings,
  onStep: (step: PretrainStep) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (!config.tiedEmbeddings) throw new Error('internal: pretrain() expects tied embeddings');
  const decoder = await createDecoder(config, weights, settings.threads);
  const optimizer = createAdamW(weightParameters(config, weights), { ...settings, epsilon: 1e-8 });
  const trained: Trained = {
    layer: layerTensors(config).map(({ input }) => input),
    head: ['norm.weight', 'head.weight'],
    embedding: true,
  };
  const batches = Array.from({ length: settings.epochs }, (_, epoch) =>
    lengthBuckets(sequences, settings.tokensPerStep, `${settings.seed}/${epoch}`),
  ).flat();
  for (const [index, batch] of batches.entries()) {
    throwIfAborted(signal);
    const step = index + 1;
    const total = batch.reduce(
      (sum, { weights: w }) => sum + w.reduce((a, b, i) => (i > 0 ? a + b : a), 0),
      0,
    );
    const gradients: Gradients = new Map();
    const loss = await backpropagate(decoder, batch, null, 1 / total, trained, gradients);
    // Input and output embedding are one matrix: their gradients add up.
    const [tied, rows] = [gradients.get('head.weight')!, gradients.get('embedding')!];
    for (let i = 0; i < tied.length; i++) tied[i]! += rows[i]!;
    gradients.delete('embedding');
    const gradientNorm = clipGradients(gradients, settings.maxGradientNorm);
    if (!Number.isFinite(loss + gradientNorm))
      throw new AuditError('engine', `training diverged at step ${step}`);
    const learningRate = rateAt(step, batches.length, settings);
    optimizer.step(gradients, learningRate);
    const tokens = batch.reduce((sum, { ids }) => sum + ids.length, 0);
    onStep({ step, steps: batches.length, loss, learningRate, gradientNorm, tokens });
  }
  await decoder.close();
}
