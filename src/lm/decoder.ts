import { createSession, type Device, type Feed, feed, type Session, type Tensor } from '../onnx/session.ts';
import { decode } from '../onnx/stored.ts';
import type { LayerKind } from './architecture.ts';
import { type AttachedAdapter, attach } from './attached-adapter.ts';
import { attentionMask, createRotary, lastPosition, windowedPast } from './attention-feeds.ts';
import type { Batch, Labels } from './batch.ts';
import type { DecoderConfig } from './config.ts';
import {
  distributionGraph,
  finalNormGraph,
  gradientOf,
  type Keeping,
  layerGradientGraph,
  layerGraph,
  lossGraph,
  type NamedGraph,
  trainingGraph,
} from './decoder-graph.ts';
import { blocksOf, type Weights, wrapWeights } from './decoder-weights.ts';
import type { LoraAdapter } from './lora.ts';
import { kindSuffix, wholeGraph, wholePrefix } from './whole-graph.ts';

export type { AttachedAdapter };

/** Keys and values of earlier tokens, [B, kvHeads, P, headSize]; `mask` [B, 1, 1, S, P] is 0 or very negative. */
export interface Past {
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly length: number;
  readonly mask: Float32Array;
}

/** What a layer's forward pass computed and its gradient would compute again, by the names of `trainingGraph`. */
export type Kept = Readonly<Record<string, Feed>>;

/** What a layer gives: y [T, d] and the new keys and values, [B, kvHeads, S, headSize]. */
export interface LayerResult {
  readonly y: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** A decoder ready to run layer by layer: forward, backward with recomputation, and the head. */
export interface Decoder {
  readonly config: DecoderConfig;
  readonly weights: Weights;
  /** Whether training keeps every product, as far as 2 GiB allow, instead of the widest within 400 MiB. */
  readonly fast: boolean;
  attach(adapter: LoraAdapter): Promise<AttachedAdapter>;
  /** Rows of the embedding, [ids, d]. */
  embed(ids: ArrayLike<number>): Float32Array;
  /** One layer over x [T, d]. */
  layer(
    index: number,
    x: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
    past?: Past,
  ): Promise<LayerResult>;
  /** The same for training: without a cache, in full precision, with what its gradient can use again. */
  layerForTraining(
    index: number,
    x: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
    keeping: Keeping,
  ): Promise<{ readonly y: Float32Array; readonly kept: Kept }>;
  /** The gradients `d.x` and `d.<name>` of one layer given its input x and dy; `trained` names weight or adapter inputs. */
  layerGradient(
    index: number,
    x: Float32Array,
    dy: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
    trained: readonly string[],
    keeping: Keeping,
    kept: Kept,
  ): Promise<Record<string, Float32Array>>;
  /** Rows [R, d] after the final norm: what the output projection sees. */
  finalNorm(rows: Float32Array): Promise<Float32Array>;
  /**
   * rows [R, d] → the k largest log-probabilities per row, descending, and their token ids; logits [R, V] where asked.
   * In `decoding` a quantised output matrix is multiplied in blocks.
   */
  distribution(
    rows: Float32Array,
    k: number,
    withLogits: boolean,
    decoding?: boolean,
  ): Promise<{ logProbabilities: Float32Array; tokens: BigInt64Array; logits: Float32Array | null }>;
  /** Σ weight·nll over labelled rows, with `d.x` and the gradients of `trained` (norm.weight, head.weight). */
  loss(
    rows: Float32Array,
    targets: Int32Array,
    weights: Float32Array,
    trained: readonly string[],
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
  /** Loss and gradients of all layers at once, by `<layer>/<input>`; see `wholeGraph`. */
  whole(
    x: Float32Array,
    batch: Batch,
    labels: Labels,
    adapter: AttachedAdapter,
    trained: readonly string[],
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
  /** Lets go of what only training needs: its sessions keep the memory of their largest batch. */
  endTraining(): Promise<void>;
  close(): Promise<void>;
}

/** Up to so many rows, packing or decoding a weight costs more than it saves; one row has a kernel of its own. */
const fewRows = 64;
const isFew = (rows: number) => rows > 1 && rows <= fewRows;

async function feedAll(tensors: Readonly<Record<string, Tensor>>): Promise<Record<string, Feed>> {
  const feeds: Record<string, Feed> = {};
  for (const [name, tensor] of Object.entries(tensors)) feeds[name] = await feed(tensor);
  return feeds;
}

/**
 * Wraps weights for layered execution. On the CPU the arrays are used in place, so an optimiser's updates are seen at
 * once; on WebGPU they are copied to the device, where they stay.
 */
export async function createDecoder(
  config: DecoderConfig,
  weights: Weights,
  threads: number,
  device: Device = 'cpu',
  fast = false,
): Promise<Decoder> {
  const { layers, head, headFormat, embedding, release } = await wrapWeights(config, weights, device);
  const { hiddenSize: width, kvHeads, headSize, architecture } = config;
  const rotary = createRotary(config);
  const kindOf = (index: number): LayerKind => architecture.kinds[index] ?? { window: null, rope: 'global' };
  const one = await feed({ data: Float32Array.of(1), shape: [1, 1] });
  const sessions = new Map<string, Promise<Session>>();
  const session = (key: string, build: () => NamedGraph, fixed?: Record<string, Feed>): Promise<Session> => {
    const known = sessions.get(key);
    if (known) return known;
    const { graph, outputs, given } = build();
    const made = createSession(graph, outputs, {
      threads,
      device,
      ...(given && { given }),
      ...(fixed && { fixed }),
    });
    sessions.set(key, made);
    made.catch(() => sessions.delete(key)); // a session that could not be made is no reason never to try again
    return made;
  };
  const releaseSessions = async (which: (key: string) => boolean) => {
    const released = [...sessions].filter(([key]) => which(key));
    for (const [key] of released) sessions.delete(key);
    for (const [, made] of released)
      await made.then(
        (made) => made.release(),
        () => {},
      );
  };
  const rows = (data: Float32Array) => feed({ data, shape: [data.length / width, width] });
  /** What a loss is fed: targets, their weights, and the loss's own slope. */
  const labelFeeds = async (targets: Int32Array, weightings: Float32Array) => ({
    targets: await feed({ data: BigInt64Array.from(targets, BigInt), shape: [targets.length, 1] }),
    weights: await feed({ data: weightings, shape: [targets.length, 1] }),
    dloss: one,
  });
  const layerFeeds = async (
    index: number,
    x: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
  ) => {
    const { window, rope } = kindOf(index);
    return {
      ...layers[index]!.feeds,
      ...adapter?.layers[index]?.feeds,
      ...(await feedAll(adapter?.layers[index]?.dropout?.(x.length / width) ?? {})),
      ...(await rotary(rope, Math.max(lastPosition(batch) + 1, batch.length))),
      x: await rows(x),
      positions: await feed({ data: batch.positions, shape: [batch.rows, batch.length] }),
      mask: await feed(attentionMask(batch, window)),
    };
  };
  /** What decides a layer's graphs: the formats of its weights and what the adapter adds to it. */
  const variantOf = (index: number, adapter: AttachedAdapter | null) => {
    const { formats, key } = layers[index]!;
    const adapted = adapter?.layers[index];
    return { formats, lora: adapted?.shape ?? null, key: `${key} ${adapted?.key ?? 'none'}` };
  };

  return {
    config,
    weights,
    fast,
    attach: (adapter) => attach(config, adapter),
    embed(ids) {
      const out = new Float32Array(ids.length * width);
      for (let i = 0; i < ids.length; i++)
        out.set(decode(embedding, ids[i]! * width, (ids[i]! + 1) * width), i * width);
      const { embeddingScale } = architecture;
      return embeddingScale === 1 ? out : out.map((value) => value * Math.fround(embeddingScale));
    },
    async layer(index, x, batch, adapter, past) {
      const withPast = past !== undefined;
      const few = withPast && isFew(batch.rows * batch.length);
      const { lora, formats, key } = variantOf(index, adapter);
      // In decoding alone, whatever the rows: what a prompt or a score is computed with depends on nobody's company.
      const own = withPast && batch.length === 1 ? blocksOf(layers[index]!.feeds) : undefined;
      const run = await session(
        own ? `blocks ${index} ${key} ${few}` : `layer ${key} ${withPast} ${few}`,
        () => layerGraph(config, lora, { withPast, fewRows: few, formats, blocks: own !== undefined }),
        own,
      );
      const feeds: Record<string, Feed> = await layerFeeds(index, x, batch, adapter);
      if (past) {
        const shape = [batch.rows, kvHeads, past.length, headSize];
        feeds.pastKey = await feed({ data: past.key, shape });
        feeds.pastValue = await feed({ data: past.value, shape });
        feeds.pastMask = await feed({
          data: windowedPast(past, batch, kindOf(index).window),
          shape: [batch.rows, 1, 1, batch.length, past.length],
        });
      }
      return (await run.run(feeds)) as unknown as LayerResult;
    },
    async layerForTraining(index, x, batch, adapter, keeping) {
      const { lora, formats, key } = variantOf(index, adapter);
      const run = await session(`training ${key} ${keeping}`, () =>
        trainingGraph(config, lora, keeping, formats),
      );
      const { y, ...kept } = await run.runTensors(await layerFeeds(index, x, batch, adapter));
      return { y: y!.data as Float32Array, kept };
    },
    async layerGradient(index, x, dy, batch, adapter, trained, keeping, kept) {
      const { lora, formats, key } = variantOf(index, adapter);
      const run = await session(`gradient ${key} ${trained.join()} ${keeping}`, () =>
        layerGradientGraph(config, lora, trained, keeping, formats),
      );
      const feeds = { ...(await layerFeeds(index, x, batch, adapter)), ...kept, dy: await rows(dy) };
      return (await run.run(feeds)) as Record<string, Float32Array>;
    },
    async finalNorm(x) {
      const run = await session('final norm', () => finalNormGraph(config));
      return (await run.run({ ...head, x: await rows(x) })).y as Float32Array;
    },
    async distribution(x, k, withLogits, decoding = false) {
      const few = isFew(x.length / width);
      const own = decoding ? blocksOf(head) : undefined;
      const options = { fewRows: few, blocks: own !== undefined };
      // A session that holds weights is not made anew for every number asked for.
      if (own) k = 2 ** Math.ceil(Math.log2(Math.max(k, 16)));
      const run = await session(
        `distribution ${k} ${withLogits} ${own ? 'blocks' : few}`,
        () => distributionGraph(config, k, withLogits, options, headFormat),
        own,
      );
      const result = await run.run({ ...head, x: await rows(x) });
      return {
        logProbabilities: result.logProbabilities as Float32Array,
        tokens: result.tokens as BigInt64Array,
        logits: (result.logits as Float32Array | undefined) ?? null,
      };
    },
    async loss(x, targets, weightings, trained) {
      const run = await session(`loss ${trained.join()}`, () => lossGraph(config, trained, headFormat));
      const labels = await labelFeeds(targets, weightings);
      const { loss, ...slopes } = await run.run({ ...head, x: await rows(x), ...labels });
      return { loss: Number(loss![0]), gradients: slopes as Record<string, Float32Array> };
    },
    async whole(x, batch, labels, adapter, trained) {
      const variants = layers.map((_, index) => ({ ...variantOf(index, adapter), kind: kindOf(index) }));
      const key = `whole ${variants.map((variant) => variant.key).join()} ${trained.join()}`;
      const run = await session(key, () => wholeGraph(config, variants, trained, headFormat));
      const feeds: Record<string, Feed> = { ...head, ...(await labelFeeds(labels.targets, labels.weights)) };
      for (const index of layers.keys()) {
        for (const [name, value] of Object.entries(await layerFeeds(index, x, batch, adapter))) {
          const shared = /^(x|positions|mask|cosines|sines)$/.test(name);
          const own = name === 'x' || name === 'positions' ? name : name + kindSuffix(kindOf(index));
          feeds[shared ? own : wholePrefix(index) + name] = value;
        }
      }
      feeds.rows = await feed({ data: BigInt64Array.from(labels.rows, BigInt), shape: [labels.rows.length] });
      const { loss, ...slopes } = await run.run(feeds);
      const named = Object.entries(slopes).map(([name, slope]) => [name.slice(gradientOf('').length), slope]);
      return { loss: Number(loss![0]), gradients: Object.fromEntries(named) };
    },
    endTraining: () => releaseSessions((key) => /^(whole|training|gradient|loss) /.test(key)),
    async close() {
      await releaseSessions(() => true);
      await release();
    },
  };
}

export { gradientOf };
