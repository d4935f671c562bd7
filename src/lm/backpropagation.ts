import { type Batch, createLabels, type Labels, type Sequence, trainingBatch } from './batch.ts';
import { type AttachedAdapter, type Decoder, gradientOf, type Kept } from './decoder.ts';
import type { Keeping } from './decoder-graph.ts';
import { matrixShapes } from './layer-tensors.ts';
import { availableMemory } from './memory.ts';
import { wholeGraphBytes, wholePrefix } from './whole-graph.ts';

/** What is trained: names of layer inputs (adapter matrices or weights) and of head inputs. */
export interface Trained {
  readonly layer: readonly string[];
  readonly head: readonly string[];
  /** Also the rows of the input embedding. */
  readonly embedding: boolean;
}

/** Gradients by parameter: `<layer>/<input>` for layers, the input's name for the head, `embedding`. */
export type Gradients = Map<string, Float32Array>;

export const parameterKey = (layer: number, name: string): string => wholePrefix(layer) + name;

function addTo(gradients: Gradients, key: string, term: Float32Array): void {
  const sum = gradients.get(key);
  if (!sum) gradients.set(key, term);
  else for (let i = 0; i < sum.length; i++) sum[i]! += term[i]!;
}

/** Floats kept from the forward pass for the backward one: 400 MiB, or 2 GiB. */
const keptElements = { wide: 100 * 2 ** 20, products: 512 * 2 ** 20 };

/** What is kept of a layer for each of its tokens, at most. */
function elementsPerToken({ config }: Decoder, keeping: 'wide' | 'products'): number {
  if (keeping === 'wide') return 2 * config.intermediateSize;
  const rows = [...matrixShapes(config).values()].reduce((sum, [out]) => sum + out, 0);
  return rows + config.heads * config.headSize;
}

/** Activations of a fast training that may be in memory at once: 4 GiB, or a quarter of what there is. */
const wholeBytes = () => Math.min(4 * 2 ** 30, availableMemory() / 4);

/** One graph of everything is for the layers' adapters alone, on float32 weights: decoded ones would all be alive at once. */
function fitsWhole(
  decoder: Decoder,
  adapter: AttachedAdapter,
  batch: Batch,
  { layer, head, embedding }: Trained,
  labelled: number,
) {
  if (!decoder.fast || layer.length === 0 || head.length > 0 || embedding) return false;
  if ([...decoder.weights.values()].some((stored) => !(stored instanceof Float32Array))) return false;
  const masks = adapter.layers.some(({ dropout }) => dropout);
  return wholeGraphBytes(decoder.config, { ...batch, labelled, masks }) <= wholeBytes();
}

/** Labelled rows per call of the head: bounds its memory to rows × vocabulary, whatever the batch. */
const headChunkElements = 1 << 23;

/** Loss and its gradient at the last layer's output; only labelled rows meet the vocabulary. */
async function headLoss(
  decoder: Decoder,
  x: Float32Array,
  labels: Labels,
  trained: Trained,
  gradients: Gradients,
) {
  const width = decoder.config.hiddenSize;
  const dx = new Float32Array(x.length);
  const chunk = Math.max(32, Math.floor(headChunkElements / decoder.config.vocabularySize));
  let loss = 0;
  for (let from = 0; from < labels.rows.length; from += chunk) {
    const indices = labels.rows.subarray(from, from + chunk);
    const rows = new Float32Array(indices.length * width);
    for (const [i, row] of indices.entries()) rows.set(x.subarray(row * width, (row + 1) * width), i * width);
    const part = await decoder.loss(
      rows,
      labels.targets.subarray(from, from + chunk),
      labels.weights.subarray(from, from + chunk),
      trained.head,
    );
    loss += part.loss;
    const slopes = part.gradients[gradientOf('x')]!;
    for (const [i, row] of indices.entries())
      dx.set(slopes.subarray(i * width, (i + 1) * width), row * width);
    for (const name of trained.head) addTo(gradients, name, part.gradients[gradientOf(name)]!);
  }
  return { loss, dx };
}

function embeddingGradient(decoder: Decoder, batch: Batch, dx: Float32Array): Float32Array {
  const { vocabularySize, hiddenSize } = decoder.config;
  const slopes = new Float32Array(vocabularySize * hiddenSize);
  for (const [row, id] of batch.ids.entries()) {
    for (let i = 0; i < hiddenSize; i++) slopes[id * hiddenSize + i]! += dx[row * hiddenSize + i]!;
  }
  return slopes;
}

/** Σ over labelled tokens of scale · weight · nll, without its gradients. */
export async function lossOf(
  decoder: Decoder,
  sequences: readonly Sequence[],
  adapter: AttachedAdapter | null,
  scale: number,
): Promise<number> {
  const batch = trainingBatch(sequences);
  let x = decoder.embed(batch.ids);
  for (let index = 0; index < decoder.config.layers; index++)
    x = (await decoder.layerForTraining(index, x, batch, adapter, 'nothing')).y;
  const nothing: Trained = { layer: [], head: [], embedding: false };
  return (await headLoss(decoder, x, createLabels(sequences, batch.length, scale), nothing, new Map())).loss;
}

/**
 * Σ over labelled tokens of scale · weight · nll, its gradients added to `gradients`.
 * Layered with recomputation: of each layer its input is kept, and of the last layers, as far as memory allows, the
 * MLP's wide products too, or all products.
 * @returns the loss (nats when scale · Σ weights = 1).
 */
export async function backpropagate(
  decoder: Decoder,
  sequences: readonly Sequence[],
  adapter: AttachedAdapter | null,
  scale: number,
  trained: Trained,
  gradients: Gradients,
): Promise<number> {
  const batch = trainingBatch(sequences);
  const labels = createLabels(sequences, batch.length, scale);
  if (adapter && fitsWhole(decoder, adapter, batch, trained, labels.rows.length)) {
    const done = await decoder.whole(decoder.embed(batch.ids), batch, labels, adapter, trained.layer);
    for (const [name, slope] of Object.entries(done.gradients)) addTo(gradients, name, slope);
    return done.loss;
  }
  const { layers } = decoder.config;
  const inputs: Float32Array[] = [];
  const kept: Kept[] = [];
  const most = decoder.fast ? 'products' : 'wide';
  const perLayer = batch.rows * batch.length * elementsPerToken(decoder, most);
  const firstKept = layers - Math.floor(keptElements[most] / perLayer);
  const keepingOf = (index: number): Keeping => (index < firstKept ? 'nothing' : most);
  let x = decoder.embed(batch.ids);
  for (let index = 0; index < layers; index++) {
    inputs.push(x);
    const done = await decoder.layerForTraining(index, x, batch, adapter, keepingOf(index));
    kept.push(done.kept);
    x = done.y;
  }
  const { loss, dx } = await headLoss(decoder, x, labels, trained, gradients);
  let dy: Float32Array = dx;
  for (let index = layers - 1; index >= 0; index--) {
    const slopes = await decoder.layerGradient(
      index,
      inputs[index]!,
      dy,
      batch,
      adapter,
      trained.layer,
      keepingOf(index),
      kept.pop()!,
    );
    dy = slopes[gradientOf('x')]!;
    for (const name of trained.layer) addTo(gradients, parameterKey(index, name), slopes[gradientOf(name)]!);
  }
  if (trained.embedding) addTo(gradients, 'embedding', embeddingGradient(decoder, batch, dy));
  return loss;
}
