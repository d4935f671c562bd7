import { createSession, type Feed, feed, type Session } from '../onnx/session.ts';
import { type Projection, projections } from '../trainer.ts';
import type { Batch } from './batch.ts';
import type { DecoderConfig } from './config.ts';
import {
  distributionGraph,
  finalNormGraph,
  gradientOf,
  type LoraShape,
  layerGradientGraph,
  layerGraph,
  loraInput,
  lossGraph,
  type NamedGraph,
} from './decoder-graph.ts';
import { type LoraAdapter, projectionShapes } from './lora.ts';
import { rotaryTables } from './rotary.ts';

/** Weights by their Hugging Face names, float32. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** The weight inputs of a layer, as layerGraph names them. */
export const layerWeightNames: readonly string[] = [
  'input_layernorm.weight',
  'post_attention_layernorm.weight',
  ...projections.map((projection) => `${projection}.weight`),
];

const attentionProjections: ReadonlySet<string> = new Set(['q_proj', 'k_proj', 'v_proj', 'o_proj']);

/** The Hugging Face name of a layer's weight input. */
export function weightName(layer: number, name: string): string {
  const projection = name.replace('.weight', '');
  const block = attentionProjections.has(projection) ? 'self_attn.' : name.includes('norm') ? '' : 'mlp.';
  return `model.layers.${layer}.${block}${name}`;
}

/** A LoRA adapter whose matrices are wrapped for feeding; the arrays stay those of the adapter. */
export interface AttachedAdapter {
  readonly shape: LoraShape;
  readonly layers: readonly Readonly<Record<string, Feed>>[];
}

/** Keys and values of earlier tokens, [B, kvHeads, P, headSize]; `mask` [B, 1, 1, S, P] is 0 or very negative. */
export interface Past {
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly length: number;
  readonly mask: Float32Array;
}

/** What a layer's forward pass computed and its gradient would compute again: the MLP's wide products, [T, intermediate]. */
export interface Kept {
  readonly gate: Float32Array;
  readonly up: Float32Array;
}

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
  /** The same without a cache, with what its gradient can use again. */
  layerKeeping(
    index: number,
    x: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
  ): Promise<LayerResult & Kept>;
  /** The gradients `d.x` and `d.<name>` of one layer given its input x and dy; `trained` names weight or adapter inputs. */
  layerGradient(
    index: number,
    x: Float32Array,
    dy: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
    trained: readonly string[],
    kept: Kept | null,
  ): Promise<Record<string, Float32Array>>;
  /** Rows [R, d] after the final norm: what the output projection sees. */
  finalNorm(rows: Float32Array): Promise<Float32Array>;
  /** rows [R, d] → the k largest log-probabilities per row, descending, and their token ids; logits [R, V] where asked. */
  distribution(
    rows: Float32Array,
    k: number,
    withLogits: boolean,
  ): Promise<{ logProbabilities: Float32Array; tokens: BigInt64Array; logits: Float32Array | null }>;
  /** Σ weight·nll over labelled rows, with `d.x` and the gradients of `trained` (norm.weight, head.weight). */
  loss(
    rows: Float32Array,
    targets: ArrayLike<number>,
    weights: Float32Array,
    trained: readonly string[],
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
  close(): Promise<void>;
}

/** One row has a kernel of its own, and many are worth packing a weight for. */
const isFew = (rows: number) => rows > 1 && rows <= 64;

const headName = (config: DecoderConfig) =>
  config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';

async function wrapWeights(config: DecoderConfig, weights: Weights) {
  const shapes = projectionShapes(config);
  const shapeOf = (name: string) => shapes[name.replace('.weight', '') as Projection] ?? [config.hiddenSize];
  const weight = (name: string) => {
    const data = weights.get(name);
    if (!data) throw new Error(`internal: weight ${name} is not loaded`);
    return data;
  };
  const layers: Record<string, Feed>[] = [];
  for (let index = 0; index < config.layers; index++) {
    const feeds: Record<string, Feed> = {};
    for (const name of layerWeightNames)
      feeds[name] = await feed({ data: weight(weightName(index, name)), shape: shapeOf(name) });
    layers.push(feeds);
  }
  const head = {
    'norm.weight': await feed({ data: weight('model.norm.weight'), shape: [config.hiddenSize] }),
    'head.weight': await feed({
      data: weight(headName(config)),
      shape: [config.vocabularySize, config.hiddenSize],
    }),
  };
  return { layers, head, embedding: weight('model.embed_tokens.weight') };
}

async function attach(config: DecoderConfig, adapter: LoraAdapter): Promise<AttachedAdapter> {
  const { r, scale, targetModules } = adapter;
  const shapes = projectionShapes(config);
  const layers = await Promise.all(
    adapter.layers.map(async (layer) => {
      const feeds: Record<string, Feed> = {};
      for (const [projection, { a, b }] of layer) {
        feeds[loraInput(projection, 'a')] = await feed({ data: a, shape: [r, shapes[projection][1]] });
        feeds[loraInput(projection, 'b')] = await feed({ data: b, shape: [shapes[projection][0], r] });
      }
      return feeds;
    }),
  );
  return { shape: { r, scale, targetModules }, layers };
}

/** Wraps weights for layered execution; the arrays are used in place, so an optimiser's updates are seen at once. */
export async function createDecoder(
  config: DecoderConfig,
  weights: Weights,
  threads: number,
): Promise<Decoder> {
  const { layers, head, embedding } = await wrapWeights(config, weights);
  const { hiddenSize: width, kvHeads, headSize } = config;
  const tables = rotaryTables(config);
  const rotary = {
    cosines: await feed({ data: tables.cosines, shape: [config.contextLength, headSize / 2] }),
    sines: await feed({ data: tables.sines, shape: [config.contextLength, headSize / 2] }),
  };
  const one = await feed({ data: Float32Array.of(1), shape: [1, 1] });
  const sessions = new Map<string, Promise<Session>>();
  const session = (key: string, build: () => NamedGraph): Promise<Session> => {
    const known = sessions.get(key);
    if (known) return known;
    const { graph, outputs, given } = build();
    const made = createSession(graph, outputs, threads, given);
    sessions.set(key, made);
    return made;
  };
  const rows = (data: Float32Array) => feed({ data, shape: [data.length / width, width] });
  const layerFeeds = async (
    index: number,
    x: Float32Array,
    batch: Batch,
    adapter: AttachedAdapter | null,
  ) => ({
    ...layers[index],
    ...adapter?.layers[index],
    ...rotary,
    x: await rows(x),
    positions: await feed({ data: batch.positions, shape: [batch.rows, batch.length] }),
    mask: await feed({ data: batch.mask, shape: [1, 1, 1, batch.length, batch.length] }),
  });
  const keyOf = (shape: LoraShape | undefined) =>
    shape ? `${shape.r}:${shape.scale}:${shape.targetModules.join()}` : 'none';

  return {
    config,
    weights,
    attach: (adapter) => attach(config, adapter),
    embed(ids) {
      const out = new Float32Array(ids.length * width);
      for (let i = 0; i < ids.length; i++)
        out.set(embedding.subarray(ids[i]! * width, (ids[i]! + 1) * width), i * width);
      return out;
    },
    async layer(index, x, batch, adapter, past) {
      const withPast = past !== undefined;
      const few = withPast && isFew(batch.rows * batch.length);
      const key = `layer ${keyOf(adapter?.shape)} ${withPast} ${few}`;
      const run = await session(key, () =>
        layerGraph(config, adapter?.shape ?? null, { withPast, fewRows: few }),
      );
      const feeds: Record<string, Feed> = await layerFeeds(index, x, batch, adapter);
      if (past) {
        const shape = [batch.rows, kvHeads, past.length, headSize];
        feeds.pastKey = await feed({ data: past.key, shape });
        feeds.pastValue = await feed({ data: past.value, shape });
        feeds.pastMask = await feed({
          data: past.mask,
          shape: [batch.rows, 1, 1, batch.length, past.length],
        });
      }
      return (await run.run(feeds)) as unknown as LayerResult;
    },
    async layerKeeping(index, x, batch, adapter) {
      const key = `layer ${keyOf(adapter?.shape)} keeping`;
      const run = await session(key, () => layerGraph(config, adapter?.shape ?? null, { keep: true }));
      return (await run.run(await layerFeeds(index, x, batch, adapter))) as unknown as LayerResult & Kept;
    },
    async layerGradient(index, x, dy, batch, adapter, trained, kept) {
      const key = `gradient ${keyOf(adapter?.shape)} ${trained.join()} ${kept !== null}`;
      const run = await session(key, () =>
        layerGradientGraph(config, adapter?.shape ?? null, trained, kept !== null),
      );
      const feeds: Record<string, Feed> = {
        ...(await layerFeeds(index, x, batch, adapter)),
        dy: await rows(dy),
      };
      for (const [name, data] of Object.entries(kept ?? {}) as [string, Float32Array][])
        feeds[name] = await feed({ data, shape: [batch.rows * batch.length, config.intermediateSize] });
      return (await run.run(feeds)) as Record<string, Float32Array>;
    },
    async finalNorm(x) {
      const run = await session('final norm', () => finalNormGraph(config));
      return (await run.run({ ...head, x: await rows(x) })).y as Float32Array;
    },
    async distribution(x, k, withLogits) {
      const few = isFew(x.length / width);
      const run = await session(`distribution ${k} ${withLogits} ${few}`, () =>
        distributionGraph(config, k, withLogits, few),
      );
      const result = await run.run({ ...head, x: await rows(x) });
      return {
        logProbabilities: result.logProbabilities as Float32Array,
        tokens: result.tokens as BigInt64Array,
        logits: (result.logits as Float32Array | undefined) ?? null,
      };
    },
    async loss(x, targets, weightings, trained) {
      const run = await session(`loss ${trained.join()}`, () => lossGraph(config, trained));
      const { loss, ...slopes } = await run.run({
        ...head,
        x: await rows(x),
        targets: await feed({
          data: BigInt64Array.from(targets as ArrayLike<number> & Iterable<number>, BigInt),
          shape: [targets.length, 1],
        }),
        weights: await feed({ data: weightings, shape: [targets.length, 1] }),
        dloss: one,
      });
      return { loss: Number(loss![0]), gradients: slopes as Record<string, Float32Array> };
    },
    async close() {
      for (const made of sessions.values()) await (await made).release();
      sessions.clear();
    },
  };
}

export { gradientOf };
