import { type Graph, input, type Shape, scalar, type Value } from '../onnx/graph.ts';
import {
  add,
  blockMatMul,
  concat,
  gemm,
  matMul,
  mul,
  reshape,
  rmsNorm,
  rotaryEmbedding,
  slice,
  softmax,
  split,
  storedInput,
  tanh,
  transpose,
} from '../onnx/ops.ts';
import type { DataType } from '../onnx/proto.ts';
import type { DecoderConfig } from './config.ts';
import { dropoutInput, loraInput, type Matrix, matrixShapes } from './layer-tensors.ts';

/** The linear products of a layer, with what an adapter adds to them, and attention. */

/** What the adapter adds to each of its matrices in this layer: its rank there, and the factor of its product. */
export type LoraShape = ReadonlyMap<Matrix, LoraTerm>;

export interface LoraTerm {
  readonly r: number;
  readonly scale: number;
  /** Whether A sees x ∘ the input `<matrix>.dropout` [T, in] in place of x. */
  readonly dropout?: boolean;
}

/** The format of every weight input that is not float32, as `formatOf` names it. */
export type Formats = ReadonlyMap<string, string>;

export interface LayerInputs {
  readonly config: DecoderConfig;
  readonly graph: Graph;
  readonly lora: LoraShape | null;
  readonly formats: Formats;
  /** Before the names of the layer's own inputs, where several layers are one graph. */
  readonly prefix?: string;
  /** After the names of what layers of one kind share: mask and rotary tables. */
  readonly kind?: string;
  /** What is computed by name, for whoever wants to keep it: every product, and attention's output as `attended`. */
  readonly products: Map<string, Value>;
  /** Quantised matrices stay in blocks, activations are rounded to 8 bits: for inference in sessions of their own. */
  readonly blocks: boolean;
  /** Whether T is between two and some dozens, as in decoding a batch with a cache. */
  readonly fewRows: boolean;
}

/** Whether a format can be multiplied in blocks. */
export const inBlocks = (format: string): boolean => format.startsWith('int');

/** x Wᵀ. Of few rows, the weight is the left factor: it is read once as it lies, instead of being packed first. */
export function product(
  { graph, blocks, fewRows }: Pick<LayerInputs, 'graph' | 'blocks' | 'fewRows'>,
  x: Value,
  name: string,
  shape: readonly [number, number],
  format: string,
): Value {
  if (blocks && inBlocks(format)) return blockMatMul(graph, x, name, shape, format);
  const weight = storedInput(graph, name, shape, format);
  return fewRows
    ? transpose(graph, gemm(graph, weight, x, null, { transposeB: true }), [1, 0])
    : gemm(graph, x, weight, null, { transposeB: true });
}

/** An input that layers of one graph have in common. */
const shared = (graph: Graph, name: string, shape: Shape, dataType: DataType = 'float32'): Value =>
  graph.inputs.get(name) ?? input(graph, name, shape, dataType);

function named({ products }: LayerInputs, name: string, value: Value): Value {
  products.set(name, value);
  return value;
}

/**
 * y = x Wᵀ (+ bias), plus scale · (x Aᵀ) Bᵀ where the matrix carries an adapter; as in PEFT, only A's input is
 * dropped out. Source: Hu et al. 2021, eq. 3.
 */
export function linear(inputs: LayerInputs, x: Value, matrix: Matrix): Value {
  const { config, graph, lora, formats, prefix = '' } = inputs;
  const shape = matrixShapes(config).get(matrix)!;
  const [rows, columns] = shape;
  const name = `${matrix}.weight`;
  let base = product(inputs, x, prefix + name, shape, formats.get(name) ?? 'f32');
  if (config.architecture.biases.some((biased) => biased === matrix))
    base = add(graph, base, input(graph, `${prefix}${matrix}.bias`, [rows]));
  const adapted = lora?.get(matrix);
  if (!adapted) return named(inputs, matrix, base);
  const { r, scale, dropout } = adapted;
  const a = input(graph, prefix + loraInput(matrix, 'a'), [r, columns]);
  const b = input(graph, prefix + loraInput(matrix, 'b'), [rows, r]);
  const seen = dropout ? mul(graph, x, input(graph, prefix + dropoutInput(matrix), ['T', columns])) : x;
  const down = gemm(graph, seen, a, null, { transposeB: true });
  named(inputs, `${matrix}.down`, down);
  return named(inputs, matrix, gemm(graph, down, b, base, { transposeB: true, alpha: scale }));
}

/** Consecutive columns of one fused product, or one product each. */
export function linears(
  inputs: LayerInputs,
  x: Value,
  fused: Matrix,
  matrices: readonly Matrix[],
  widths: readonly number[],
): Value[] {
  if (!inputs.config.architecture.fused) return matrices.map((matrix) => linear(inputs, x, matrix));
  const whole = linear(inputs, x, fused);
  let at = 0;
  return widths.map((width) => slice(inputs.graph, whole, at, (at += width)));
}

export const norm = ({ graph, config, prefix = '' }: LayerInputs, x: Value, module: string): Value =>
  rmsNorm(graph, x, input(graph, `${prefix}${module}.weight`, [x.shape.at(-1)!]), config.rmsNormEpsilon);

/** s ← cap · tanh(s / cap); `scores` come divided by the cap already. */
export const capped = (graph: Graph, scores: Value, cap: number | null): Value =>
  cap === null ? scores : mul(graph, tanh(graph, scores), scalar(graph, cap));

export interface Attention {
  readonly output: Value;
  readonly key: Value;
  readonly value: Value;
}

/** Queries, keys and values by head, [B, H, S, h]; queries and keys normed where the family does, and turned. */
function heads(inputs: LayerInputs, x: Value): { query: Value; key: Value; value: Value } {
  const { config, graph, kind = '' } = inputs;
  const { headSize, architecture } = config;
  const positions = shared(graph, 'positions', ['B', 'S'], 'int64');
  const cosines = shared(graph, `cosines${kind}`, ['positions', headSize / 2]);
  const sines = shared(graph, `sines${kind}`, ['positions', headSize / 2]);
  const sizes = [config.heads, config.kvHeads, config.kvHeads].map((count) => count * headSize);
  const flat = linears(inputs, x, 'qkv_proj', ['q_proj', 'k_proj', 'v_proj'], sizes);
  const split4 = (values: Value, count: number) =>
    transpose(graph, reshape(graph, values, ['B', 'S', count, headSize]), [0, 2, 1, 3]);
  const turned = (values: Value, count: number, module: string) => {
    const wide = architecture.queryKeyNorm === 'width' ? norm(inputs, values, module) : values;
    const byHead = split4(wide, count);
    const normed = architecture.queryKeyNorm === 'head' ? norm(inputs, byHead, module) : byHead;
    return rotaryEmbedding(graph, normed, positions, cosines, sines);
  };
  return {
    query: turned(flat[0]!, config.heads, 'q_norm'),
    key: turned(flat[1]!, config.kvHeads, 'k_norm'),
    value: split4(flat[2]!, config.kvHeads),
  };
}

/**
 * Grouped-query attention without repeating keys: the G query heads of a group are stacked along the sequence,
 * q [B, Hkv, G·S, h]. With a cache, scores over past and new keys are joined before the softmax, so that the
 * cache itself is never copied.
 */
export function attention(inputs: LayerInputs, x: Value, withPast: boolean): Attention {
  const { config, graph, kind = '' } = inputs;
  const { kvHeads, headSize, architecture } = config;
  const { query: byHead, key, value } = heads(inputs, x);
  const query = reshape(graph, byHead, ['B', kvHeads, 'G·S', headSize]);
  const groups = config.heads / kvHeads;
  const cap = architecture.attentionSoftcap;
  const scale = (architecture.attentionScale ?? headSize ** -0.5) / (cap ?? 1);
  const masked = (keys: Value, length: string, maskName: string, maskRows: 'B' | 'B?') => {
    const scores = capped(graph, matMul(graph, query, keys, { transposeB: true, alpha: scale }), cap);
    const mask = shared(graph, maskName + kind, [maskRows, 1, 1, 'S', length]);
    return add(graph, reshape(graph, scores, ['B', kvHeads, groups, 'S', length]), mask);
  };
  const flat = (probabilities: Value, length: string) =>
    reshape(graph, probabilities, ['B', kvHeads, 'G·S', length]);
  const present = masked(key, 'S', 'mask', 'B?');
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
  const merged = transpose(graph, reshape(graph, mixed, ['B', config.heads, 'S', headSize]), [0, 2, 1, 3]);
  return {
    output: named(inputs, 'attended', reshape(graph, merged, ['T', config.heads * headSize])),
    key,
    value,
  };
}
