import { gradients } from '../onnx/gradient.ts';
import { createGraph, type Graph, input, type Shape, type Value } from '../onnx/graph.ts';
import {
  add,
  concat,
  crossEntropy,
  gemm,
  logSoftmax,
  matMul,
  mul,
  reshape,
  rmsNorm,
  rotaryEmbedding,
  silu,
  softmax,
  split,
  topK,
  transpose,
} from '../onnx/ops.ts';
import type { Projection } from '../trainer.ts';
import type { DecoderConfig } from './config.ts';
import { projectionShapes } from './lora.ts';

/**
 * The graphs of a Llama decoder: one layer (all layers share it, weights are fed) and the head.
 * Tokens are flat: x is [T, d] with T = B·S, row b·S + s. Source: Touvron et al. 2023; names as in transformers' modeling_llama.
 */

/** What the adapter adds to each of its projections: r ranks, scaled. */
export interface LoraShape {
  readonly r: number;
  readonly scale: number;
  readonly targetModules: readonly Projection[];
}

/** A graph and what it computes, by name. */
export interface NamedGraph {
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, Value>;
  /** Values that are fed instead of being computed. */
  readonly given?: ReadonlyMap<string, Value>;
}

export const loraInput = (projection: Projection, matrix: 'a' | 'b'): string => `${projection}.${matrix}`;
export const gradientOf = (inputName: string): string => `d.${inputName}`;

interface LayerInputs {
  readonly config: DecoderConfig;
  readonly graph: Graph;
  readonly lora: LoraShape | null;
  /** Whether T is between two and some dozens, as in decoding a batch with a cache. */
  readonly fewRows: boolean;
}

/** x Wᵀ. Of few rows, the weight is the left factor: it is read once as it lies, instead of being packed first. */
function product(graph: Graph, x: Value, weight: Value, fewRows: boolean): Value {
  return fewRows
    ? transpose(graph, gemm(graph, weight, x, null, { transposeB: true }), [1, 0])
    : gemm(graph, x, weight, null, { transposeB: true });
}

/** y = x Wᵀ, plus scale · (x Aᵀ) Bᵀ where the projection carries an adapter. Source: Hu et al. 2021, eq. 3. */
function linear({ config, graph, lora, fewRows }: LayerInputs, x: Value, projection: Projection): Value {
  const shape = projectionShapes(config)[projection];
  const weight = input(graph, `${projection}.weight`, shape);
  const base = product(graph, x, weight, fewRows);
  if (!lora?.targetModules.includes(projection)) return base;
  const a = input(graph, loraInput(projection, 'a'), [lora.r, shape[1]]);
  const b = input(graph, loraInput(projection, 'b'), [shape[0], lora.r]);
  const down = gemm(graph, x, a, null, { transposeB: true });
  return gemm(graph, down, b, base, { transposeB: true, alpha: lora.scale });
}

interface Attention {
  readonly output: Value;
  readonly key: Value;
  readonly value: Value;
}

interface Layer extends Attention {
  /** The MLP's two wide products, [T, intermediate]: half of a layer's arithmetic. */
  readonly gate: Value;
  readonly up: Value;
}

/**
 * Grouped-query attention without repeating keys: the G query heads of a group are stacked along the sequence,
 * q [B, Hkv, G·S, h]. With a cache, scores over past and new keys are joined before the softmax, so that the
 * cache itself is never copied.
 */
function attention(inputs: LayerInputs, x: Value, withPast: boolean): Attention {
  const { config, graph } = inputs;
  const { heads, kvHeads, headSize } = config;
  const positions = input(graph, 'positions', ['B', 'S'], 'int64');
  const cosines = input(graph, 'cosines', ['positions', headSize / 2]);
  const sines = input(graph, 'sines', ['positions', headSize / 2]);
  const split4 = (flat: Value, count: number) =>
    transpose(graph, reshape(graph, flat, ['B', 'S', count, headSize]), [0, 2, 1, 3]);
  const rotate = (value: Value) => rotaryEmbedding(graph, value, positions, cosines, sines);
  const query = reshape(graph, rotate(split4(linear(inputs, x, 'q_proj'), heads)), [
    'B',
    kvHeads,
    'G·S',
    headSize,
  ]);
  const key = rotate(split4(linear(inputs, x, 'k_proj'), kvHeads));
  const value = split4(linear(inputs, x, 'v_proj'), kvHeads);

  const groups = heads / kvHeads;
  const masked = (keys: Value, length: string, maskName: string, maskRows: 'B' | 1) => {
    const scores = matMul(graph, query, keys, { transposeB: true, alpha: headSize ** -0.5 });
    const mask = input(graph, maskName, [maskRows, 1, 1, 'S', length]);
    return add(graph, reshape(graph, scores, ['B', kvHeads, groups, 'S', length]), mask);
  };
  const flat = (probabilities: Value, length: string) =>
    reshape(graph, probabilities, ['B', kvHeads, 'G·S', length]);
  const present = masked(key, 'S', 'mask', 1);
  let mixed: Value;
  if (withPast) {
    const pastKey = input(graph, 'pastKey', ['B', kvHeads, 'P', headSize]);
    const pastValue = input(graph, 'pastValue', ['B', kvHeads, 'P', headSize]);
    const past = masked(pastKey, 'P', 'pastMask', 'B');
    const probabilities = softmax(graph, concat(graph, past, present, 4, 'P+S'));
    const onPast = split(graph, probabilities, 4, 'front', pastKey, 2, 'P');
    const onPresent = split(graph, probabilities, 4, 'back', pastKey, 2, 'S');
    mixed = add(
      graph,
      matMul(graph, flat(onPast, 'P'), pastValue),
      matMul(graph, flat(onPresent, 'S'), value),
    );
  } else {
    mixed = matMul(graph, flat(softmax(graph, present), 'S'), value);
  }
  const merged = transpose(graph, reshape(graph, mixed, ['B', heads, 'S', headSize]), [0, 2, 1, 3]);
  return { output: reshape(graph, merged, ['T', heads * headSize]), key, value };
}

/** x + attention(norm(x)), then + mlp(norm(·)). */
function layer(inputs: LayerInputs, x: Value, withPast: boolean): Layer {
  const { config, graph } = inputs;
  const norm = (value: Value, name: string) =>
    rmsNorm(graph, value, input(graph, name, [config.hiddenSize]), config.rmsNormEpsilon);
  const attended = attention(inputs, norm(x, 'input_layernorm.weight'), withPast);
  const middle = add(graph, x, linear(inputs, attended.output, 'o_proj'));
  const normed = norm(middle, 'post_attention_layernorm.weight');
  const gate = linear(inputs, normed, 'gate_proj');
  const up = linear(inputs, normed, 'up_proj');
  const gated = mul(graph, silu(graph, gate), up);
  return { ...attended, output: add(graph, middle, linear(inputs, gated, 'down_proj')), gate, up };
}

const flatTokens = (config: DecoderConfig): Shape => ['T', config.hiddenSize];

/** Inputs x, positions, cosines, sines, mask, weights (, pastKey, pastValue, pastMask); outputs y, key, value (, gate, up where kept). */
export function layerGraph(
  config: DecoderConfig,
  lora: LoraShape | null,
  {
    withPast = false,
    fewRows = false,
    keep = false,
  }: { withPast?: boolean; fewRows?: boolean; keep?: boolean },
): NamedGraph {
  const graph = createGraph();
  const { output, key, value, gate, up } = layer(
    { config, graph, lora, fewRows },
    input(graph, 'x', flatTokens(config)),
    withPast,
  );
  const outputs = new Map([
    ['y', output],
    ['key', key],
    ['value', value],
  ]);
  if (keep) outputs.set('gate', gate).set('up', up);
  return { graph, outputs };
}

/**
 * The gradient of one layer: recomputes its forward from x (gradient checkpointing, Chen et al. 2016), takes dy and
 * gives d.x and the gradient of each trained input. `kept`: gate and up are fed as the forward pass made them, and not
 * recomputed (selective recomputation, Korthikanti et al. 2022).
 */
export function layerGradientGraph(
  config: DecoderConfig,
  lora: LoraShape | null,
  trained: readonly string[],
  kept: boolean,
): NamedGraph {
  const graph = createGraph();
  const x = input(graph, 'x', flatTokens(config));
  const { output, gate, up } = layer({ config, graph, lora, fewRows: false }, x, false);
  const names = ['x', ...trained];
  const targets = names.map((name) => graph.inputs.get(name)!);
  const slopes = gradients(graph, output, input(graph, 'dy', flatTokens(config)), targets);
  return {
    graph,
    outputs: new Map(names.map((name, index) => [gradientOf(name), slopes.get(targets[index]!)!])),
    ...(kept && {
      given: new Map([
        ['gate', gate],
        ['up', up],
      ]),
    }),
  };
}

function finalNorm(config: DecoderConfig, graph: Graph): Value {
  const rows = input(graph, 'x', ['R', config.hiddenSize]);
  return rmsNorm(graph, rows, input(graph, 'norm.weight', [config.hiddenSize]), config.rmsNormEpsilon);
}

function logits(config: DecoderConfig, graph: Graph, fewRows = false): Value {
  const weight = input(graph, 'head.weight', [config.vocabularySize, config.hiddenSize]);
  return product(graph, finalNorm(config, graph), weight, fewRows);
}

/** Rows x [R, d] → `y`, the rows after the final norm. */
export function finalNormGraph(config: DecoderConfig): NamedGraph {
  const graph = createGraph();
  return { graph, outputs: new Map([['y', finalNorm(config, graph)]]) };
}

/** Rows that need a distribution, x [R, d] → the `k` largest log-probabilities and their tokens, and `logits` [R, V] where asked. */
export function distributionGraph(
  config: DecoderConfig,
  k: number,
  withLogits: boolean,
  fewRows: boolean,
): NamedGraph {
  const graph = createGraph();
  const scores = logits(config, graph, fewRows);
  const best = topK(graph, logSoftmax(graph, scores), Math.min(k, config.vocabularySize));
  const outputs = new Map([
    ['logProbabilities', best.values],
    ['tokens', best.indices],
  ]);
  if (withLogits) outputs.set('logits', scores);
  return { graph, outputs };
}

/** Labelled rows x [R, d], targets and weights [R, 1] → loss = Σ weight · nll, d.x, and d.norm.weight / d.head.weight where trained. */
export function lossGraph(config: DecoderConfig, trained: readonly string[]): NamedGraph {
  const graph = createGraph();
  const scores = logits(config, graph);
  const loss = crossEntropy(
    graph,
    scores,
    input(graph, 'targets', ['R', 1], 'int64'),
    input(graph, 'weights', ['R', 1]),
  );
  const names = ['x', ...trained];
  const targets = names.map((name) => graph.inputs.get(name)!);
  const slopes = gradients(graph, loss, input(graph, 'dloss', [1, 1]), targets);
  const outputs = new Map<string, Value>([['loss', loss]]);
  for (const [index, name] of names.entries()) outputs.set(gradientOf(name), slopes.get(targets[index]!)!);
  return { graph, outputs };
}
