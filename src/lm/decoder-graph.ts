import { gradients } from '../onnx/gradient.ts';
import { createGraph, type Graph, input, type Shape, scalar, type Value } from '../onnx/graph.ts';
import { add, crossEntropy, gelu, logSoftmax, mul, rmsNorm, silu, topK } from '../onnx/ops.ts';
import {
  type Attention,
  attention,
  capped,
  type Formats,
  type LayerInputs,
  type LoraShape,
  linear,
  linears,
  norm,
  product,
} from './attention-graph.ts';
import type { DecoderConfig } from './config.ts';

/**
 * The graphs of a decoder: one layer (all layers of a kind share it, weights are fed) and the head.
 * Tokens are flat: x is [T, d] with T = B·S, row b·S + s. Names as in transformers' modeling_llama; what other
 * families do otherwise is said in `architecture.ts`. Source: Touvron et al. 2023.
 */

/** A graph and what it computes, by name. */
export interface NamedGraph {
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, Value>;
  /** Values that are fed instead of being computed. */
  readonly given?: ReadonlyMap<string, Value>;
}

export const gradientOf = (inputName: string): string => `d.${inputName}`;

/** Which norm stands where: null where the family has none. */
const normModules = {
  before: { attention: 'input_layernorm', attended: null, mlp: 'post_attention_layernorm', mixed: null },
  after: {
    attention: null,
    attended: 'post_attention_layernorm',
    mlp: null,
    mixed: 'post_feedforward_layernorm',
  },
  both: {
    attention: 'input_layernorm',
    attended: 'post_attention_layernorm',
    mlp: 'pre_feedforward_layernorm',
    mixed: 'post_feedforward_layernorm',
  },
} as const;

/** x + attention(x), then + mlp(·), each with its norms. */
export function layer(inputs: LayerInputs, x: Value, withPast: boolean): Attention {
  const { config, graph } = inputs;
  const { intermediateSize: inner, architecture } = config;
  const modules = normModules[architecture.norms];
  const normed = (value: Value, module: string | null) => (module ? norm(inputs, value, module) : value);
  const attended = attention(inputs, normed(x, modules.attention), withPast);
  const middle = add(graph, x, normed(linear(inputs, attended.output, 'o_proj'), modules.attended));
  const mlp = normed(middle, modules.mlp);
  const [gate, up] = linears(inputs, mlp, 'gate_up_proj', ['gate_proj', 'up_proj'], [inner, inner]) as [
    Value,
    Value,
  ];
  const activation = architecture.activation === 'silu' ? silu : gelu;
  const gated = mul(graph, activation(graph, gate), up);
  const output = add(graph, middle, normed(linear(inputs, gated, 'down_proj'), modules.mixed));
  return { ...attended, output };
}

export const flatTokens = (config: DecoderConfig): Shape => ['T', config.hiddenSize];

interface LayerOptions {
  readonly withPast?: boolean;
  readonly fewRows?: boolean;
  readonly blocks?: boolean;
  readonly formats?: Formats;
}

/** Inputs x, positions, cosines, sines, mask, weights (, pastKey, pastValue, pastMask); outputs y, key, value. */
export function layerGraph(
  config: DecoderConfig,
  lora: LoraShape | null,
  { withPast = false, fewRows = false, blocks = false, formats = new Map() }: LayerOptions = {},
): NamedGraph {
  const graph = createGraph();
  const inputs = { config, graph, lora, fewRows, blocks, formats, products: new Map() };
  const { output, key, value } = layer(inputs, input(graph, 'x', flatTokens(config)), withPast);
  const outputs = new Map([
    ['y', output],
    ['key', key],
    ['value', value],
  ]);
  return { graph, outputs };
}

/** What of a layer's forward pass its gradient is spared: nothing, the MLP's two wide products, or every product. */
export type Keeping = 'nothing' | 'wide' | 'products';

/** The values of `keeping` by name; the last product is no part of any gradient. */
function keptOf(products: ReadonlyMap<string, Value>, keeping: Keeping): Map<string, Value> {
  const wide = /^(gate|up|gate_up)_proj$/;
  const names = [...products.keys()].filter(
    (name) => name !== 'down_proj' && (keeping === 'products' || (keeping === 'wide' && wide.test(name))),
  );
  return new Map(names.map((name) => [name, products.get(name)!]));
}

/** The forward pass of training: outputs y, and what is kept for the gradient. */
export function trainingGraph(
  config: DecoderConfig,
  lora: LoraShape | null,
  keeping: Keeping,
  formats: Formats = new Map(),
): NamedGraph {
  const graph = createGraph();
  const products = new Map<string, Value>();
  const inputs = { config, graph, lora, formats, products, blocks: false, fewRows: false };
  const { output } = layer(inputs, input(graph, 'x', flatTokens(config)), false);
  return { graph, outputs: new Map([['y', output], ...keptOf(products, keeping)]) };
}

/**
 * The gradient of one layer: recomputes its forward from x (gradient checkpointing, Chen et al. 2016), takes dy and
 * gives d.x and the gradient of each trained input. What was kept is fed as the forward pass made it, and not
 * recomputed (selective recomputation, Korthikanti et al. 2022).
 */
export function layerGradientGraph(
  config: DecoderConfig,
  lora: LoraShape | null,
  trained: readonly string[],
  keeping: Keeping,
  formats: Formats = new Map(),
): NamedGraph {
  const graph = createGraph();
  const x = input(graph, 'x', flatTokens(config));
  const products = new Map<string, Value>();
  const inputs = { config, graph, lora, formats, products, blocks: false, fewRows: false };
  const { output } = layer(inputs, x, false);
  const names = ['x', ...trained];
  const targets = names.map((name) => graph.inputs.get(name)!);
  const slopes = gradients(graph, output, input(graph, 'dy', flatTokens(config)), targets);
  const outputs = new Map(names.map((name, index) => [gradientOf(name), slopes.get(targets[index]!)!]));
  return { graph, outputs, given: keptOf(products, keeping) };
}

const finalNorm = (config: DecoderConfig, graph: Graph, rows: Value): Value =>
  rmsNorm(graph, rows, input(graph, 'norm.weight', [config.hiddenSize]), config.rmsNormEpsilon);

const headRows = (config: DecoderConfig, graph: Graph): Value => input(graph, 'x', ['R', config.hiddenSize]);

/** rows [R, d] of the last layer's output → logits [R, V]. */
export function logits(
  config: DecoderConfig,
  graph: Graph,
  rows: Value,
  format: string,
  options: { blocks: boolean; fewRows: boolean },
): Value {
  const cap = config.architecture.logitSoftcap;
  const shape = [config.vocabularySize, config.hiddenSize] as const;
  const scores = product({ graph, ...options }, finalNorm(config, graph, rows), 'head.weight', shape, format);
  return cap === null ? scores : capped(graph, mul(graph, scores, scalar(graph, 1 / cap)), cap);
}

/** Rows x [R, d] → `y`, the rows after the final norm. */
export function finalNormGraph(config: DecoderConfig): NamedGraph {
  const graph = createGraph();
  return { graph, outputs: new Map([['y', finalNorm(config, graph, headRows(config, graph))]]) };
}

/** Rows that need a distribution, x [R, d] → the `k` largest log-probabilities and their tokens, and `logits` [R, V] where asked. */
export function distributionGraph(
  config: DecoderConfig,
  k: number,
  withLogits: boolean,
  options: { fewRows: boolean; blocks: boolean },
  format = 'f32',
): NamedGraph {
  const graph = createGraph();
  const scores = logits(config, graph, headRows(config, graph), format, options);
  const best = topK(graph, logSoftmax(graph, scores), Math.min(k, config.vocabularySize));
  const outputs = new Map([
    ['logProbabilities', best.values],
    ['tokens', best.indices],
  ]);
  if (withLogits) outputs.set('logits', scores);
  return { graph, outputs };
}

/** Labelled rows x [R, d], targets and weights [R, 1] → loss = Σ weight · nll, d.x, and d.norm.weight / d.head.weight where trained. */
export function lossGraph(config: DecoderConfig, trained: readonly string[], format = 'f32'): NamedGraph {
  const graph = createGraph();
  const scores = logits(config, graph, headRows(config, graph), format, { blocks: false, fewRows: false });
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
