import { addValue, type Dimension, type Graph, input, type Shape, scalar, type Value } from './graph.ts';
import type { DataType } from './proto.ts';
import { elementCount } from './tensor.ts';

/**
 * Every operation a graph may hold. Names and semantics are ONNX's, except `MatMul` and `Gemm`, which carry
 * their transposes and a scale, and `CrossEntropy`, a loss over log-probabilities.
 */
export type Op =
  | { readonly type: 'Add' | 'Sub' | 'Mul' | 'Div' }
  | { readonly type: Unary }
  | { readonly type: 'ReduceSum' | 'ReduceMean'; readonly axes: readonly number[] }
  | { readonly type: 'Softmax' | 'LogSoftmax' }
  | {
      readonly type: 'MatMul' | 'Gemm';
      readonly transposeA: boolean;
      readonly transposeB: boolean;
      readonly alpha: number;
    }
  | { readonly type: 'Reshape'; readonly shape: Shape }
  | { readonly type: 'Transpose'; readonly permutation: readonly number[] }
  | { readonly type: 'Concat'; readonly axis: number; readonly dimension: Dimension }
  /** Keeps [0, end) (`front`) or the rest (`back`) of an axis, where end is the size of `like`'s axis. */
  | {
      readonly type: 'Split';
      readonly axis: number;
      readonly side: 'front' | 'back';
      readonly likeAxis: number;
    }
  /** Keeps [start, end) of the last axis; `Pad` puts it back between zeros. */
  | { readonly type: 'Slice'; readonly start: number; readonly end: number }
  | { readonly type: 'Pad'; readonly before: number; readonly after: number }
  /** Float32 from a weight as it is stored; inputs as `stored.ts` names them. */
  | { readonly type: 'DecodeHalf'; readonly format: 'f16' | 'bf16' }
  | { readonly type: 'DecodeBlocks'; readonly bits: 4 | 8; readonly block: number }
  | { readonly type: 'DecodeNormalFloat'; readonly block: number }
  /** x Wᵀ with W [rows, columns] in blocks, from its codes (zero in the middle) and scales. */
  | {
      readonly type: 'BlockMatMul';
      readonly bits: 4 | 8;
      readonly block: number;
      readonly rows: number;
      readonly columns: number;
    }
  | { readonly type: 'RmsNorm'; readonly epsilon: number }
  | { readonly type: 'RotaryEmbedding' }
  | { readonly type: 'GatherElements' | 'ScatterElements' }
  | { readonly type: 'GatherRows' | 'ScatterRows' }
  | { readonly type: 'CrossEntropy' }
  | { readonly type: 'TopK'; readonly k: number };

/** Of one value, element by element. */
type Unary = 'Neg' | 'Exp' | 'Log' | 'Sqrt' | 'Reciprocal' | 'Sigmoid' | 'Tanh' | 'Silu' | 'Gelu';

export type OpType = Op['type'];

function node(
  graph: Graph,
  op: Op,
  inputs: readonly Value[],
  shape: Shape,
  dataType: DataType = 'float32',
  slot = 0,
): Value {
  return addValue(graph, dataType, shape, { type: 'node', op, inputs, slot });
}

/** ONNX (NumPy) broadcasting; a 1 yields to the other size, as `B?` does to `B`; named sizes must agree. */
function broadcast(a: Shape, b: Shape): Dimension[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[a.length - rank + axis] ?? 1;
    const right = b[b.length - rank + axis] ?? 1;
    if (left === 1 || left === `${right}?`) return right;
    if (right === 1 || right === `${left}?` || left === right) return left;
    throw new Error(`internal: shapes [${a.join()}] and [${b.join()}] do not broadcast`);
  });
}

const binary = (type: 'Add' | 'Sub' | 'Mul' | 'Div') => (graph: Graph, a: Value, b: Value) =>
  node(graph, { type }, [a, b], broadcast(a.shape, b.shape));
export const add = binary('Add');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const div = binary('Div');

const unary = (type: Unary | 'Softmax' | 'LogSoftmax') => (graph: Graph, x: Value) =>
  node(graph, { type }, [x], x.shape);
export const neg = unary('Neg');
export const exp = unary('Exp');
export const log = unary('Log');
export const sqrt = unary('Sqrt');
export const reciprocal = unary('Reciprocal');
export const sigmoid = unary('Sigmoid');
export const tanh = unary('Tanh');
/** x·σ(x). */
export const silu = unary('Silu');
/** x/2·(1 + tanh(√(2/π)·(x + 0.044715x³))). Source: Hendrycks & Gimpel 2016, arXiv 1606.08415, §2. */
export const gelu = unary('Gelu');
/** Over the last axis. */
export const softmax = unary('Softmax');
/** Over the last axis. */
export const logSoftmax = unary('LogSoftmax');

const reduction = (type: 'ReduceSum' | 'ReduceMean') => (graph: Graph, x: Value, axes: readonly number[]) =>
  node(
    graph,
    { type, axes },
    [x],
    x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
  );
/** Keeps the reduced axes with size 1. */
export const reduceSum = reduction('ReduceSum');
/** Keeps the reduced axes with size 1. */
export const reduceMean = reduction('ReduceMean');

interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
}

function productSizes(
  a: Shape,
  b: Shape,
  { transposeA = false, transposeB = false }: ProductOptions,
): [Dimension, Dimension] {
  const [rows, inner] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [innerB, columns] = transposeB ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
  if (inner !== innerB) throw new Error(`internal: inner sizes ${inner} and ${innerB} differ in a product`);
  return [rows, columns];
}

/** alpha · op(a) · op(b) over the last two axes; the batch axes must be equal. */
export function matMul(graph: Graph, a: Value, b: Value, options: ProductOptions = {}): Value {
  const { transposeA = false, transposeB = false, alpha = 1 } = options;
  const shape = [...a.shape.slice(0, -2), ...productSizes(a.shape, b.shape, options)];
  return node(graph, { type: 'MatMul', transposeA, transposeB, alpha }, [a, b], shape);
}

/** alpha · op(a) · op(b) + c for matrices; c has the product's shape. */
export function gemm(graph: Graph, a: Value, b: Value, c: Value | null, options: ProductOptions = {}): Value {
  const { transposeA = false, transposeB = false, alpha = 1 } = options;
  const shape = productSizes(a.shape, b.shape, options);
  return node(graph, { type: 'Gemm', transposeA, transposeB, alpha }, c ? [a, b, c] : [a, b], shape);
}

/** At most one size may be a name that no graph input carries: it is inferred. */
export const reshape = (graph: Graph, x: Value, shape: Shape): Value =>
  node(graph, { type: 'Reshape', shape }, [x], shape, x.dataType);

export const transpose = (graph: Graph, x: Value, permutation: readonly number[]): Value =>
  node(
    graph,
    { type: 'Transpose', permutation },
    [x],
    permutation.map((axis) => x.shape[axis]!),
  );

/** Joins two values along an axis; `dimension` names the joined size. */
export const concat = (graph: Graph, a: Value, b: Value, axis: number, dimension: Dimension): Value =>
  node(
    graph,
    { type: 'Concat', axis, dimension },
    [a, b],
    a.shape.map((size, at) => (at === axis ? dimension : size)),
  );

/** The first part of `x` along `axis`, as long as `like` is along `likeAxis`; or what follows it, of size `dimension`. */
export const split = (
  graph: Graph,
  x: Value,
  axis: number,
  side: 'front' | 'back',
  like: Value,
  likeAxis: number,
  dimension: Dimension,
): Value =>
  node(
    graph,
    { type: 'Split', axis, side, likeAxis },
    [x, like],
    x.shape.map((size, at) => (at === axis ? dimension : size)),
  );

/**
 * x Wᵀ for a weight input [rows, columns] in a `Blocks` format, never decoded as a whole: products of codes, plus what
 * zeros away from the middle add, (middle − zero) · scale per block, times the sum of x over the block.
 */
export function blockMatMul(
  graph: Graph,
  x: Value,
  name: string,
  [rows, columns]: readonly [number, number],
  format: string,
): Value {
  const [kind, blockText, zeros] = format.split('/') as [string, string, string | undefined];
  const block = Number(blockText);
  const bits = kind === 'int8' ? 8 : 4;
  const blocks = columns / block;
  const codes = input(graph, `${name}.codes`, [rows, blocks, (block * bits) / 8], 'uint8');
  const scales = input(graph, `${name}.scales`, [rows, blocks]);
  const op: Op = { type: 'BlockMatMul', bits, block, rows, columns };
  const centred = node(graph, op, [x, codes, scales], [x.shape[0]!, rows]);
  if (!zeros) return centred;
  const middle = scalar(graph, 2 ** (bits - 1));
  const offsets = mul(graph, sub(graph, middle, input(graph, `${name}.zeros`, [rows, blocks])), scales);
  const byBlock = reduceSum(graph, reshape(graph, x, [x.shape[0]!, blocks, block]), [2]);
  const sums = reshape(graph, byBlock, [x.shape[0]!, blocks]);
  return gemm(graph, sums, offsets, centred, { transposeB: true });
}

/** Columns [start, end) of the last axis. */
export const slice = (graph: Graph, x: Value, start: number, end: number): Value =>
  node(graph, { type: 'Slice', start, end }, [x], [...x.shape.slice(0, -1), end - start]);

/** Zeros before and after along the last axis, whose size must be known. */
export const pad = (graph: Graph, x: Value, before: number, after: number): Value =>
  node(
    graph,
    { type: 'Pad', before, after },
    [x],
    [...x.shape.slice(0, -1), before + Number(x.shape.at(-1)) + after],
  );

/**
 * A weight input in the format `formatOf` names, decoded to float32 [shape]. Quantised ones are several inputs:
 * `<name>.codes` with `.scales` (and `.zeros`), or with `.absmax` and `.table`.
 */
export function storedInput(graph: Graph, name: string, shape: readonly number[], format: string): Value {
  const [kind, blockText, zeros] = format.split('/') as [string, string | undefined, string | undefined];
  if (kind === 'f32') return input(graph, name, shape);
  if (kind === 'f16' || kind === 'bf16') {
    const halves = input(graph, name, shape, 'uint16');
    return node(graph, { type: 'DecodeHalf', format: kind }, [halves], shape);
  }
  const block = Number(blockText);
  const size = elementCount(shape);
  const bits = kind === 'int8' ? 8 : 4;
  const codes = input(graph, `${name}.codes`, [(size * bits) / 8], 'uint8');
  if (kind === 'nf4') {
    const parts = [
      codes,
      input(graph, `${name}.absmax`, [size / block, 1]),
      input(graph, `${name}.table`, [256, 2]),
    ];
    return node(graph, { type: 'DecodeNormalFloat', block }, parts, shape);
  }
  const parts = [codes, input(graph, `${name}.scales`, [size / block, 1])];
  if (zeros) parts.push(input(graph, `${name}.zeros`, [size / block, 1]));
  return node(graph, { type: 'DecodeBlocks', bits, block }, parts, shape);
}

/** x / √(mean(x²) + epsilon) · weight over the last axis. Source: Zhang & Sennrich 2019. */
export const rmsNorm = (graph: Graph, x: Value, weight: Value, epsilon: number): Value =>
  node(graph, { type: 'RmsNorm', epsilon }, [x, weight], x.shape);

/** Rotates the two halves of the last axis. x [B, H, S, h], positions [B, S], cosines and sines [positions, h/2]. Source: Su et al. 2021. */
export const rotaryEmbedding = (
  graph: Graph,
  x: Value,
  positions: Value,
  cosines: Value,
  sines: Value,
): Value => node(graph, { type: 'RotaryEmbedding' }, [x, positions, cosines, sines], x.shape);

/** x[r, indices[r, j]] along the last axis. */
export const gatherElements = (graph: Graph, x: Value, indices: Value): Value =>
  node(graph, { type: 'GatherElements' }, [x, indices], indices.shape);

/** A copy of x with x[r, indices[r, j]] = updates[r, j]. */
export const scatterElements = (graph: Graph, x: Value, indices: Value, updates: Value): Value =>
  node(graph, { type: 'ScatterElements' }, [x, indices, updates], x.shape);

/** x[rows[r]] of a matrix; no row may be named twice. */
export const gatherRows = (graph: Graph, x: Value, rows: Value): Value =>
  node(graph, { type: 'GatherRows' }, [x, rows], [rows.shape[0]!, x.shape[1]!]);

/** Zeros as `like`, with the updates in the named rows. */
export const scatterRows = (graph: Graph, like: Value, rows: Value, updates: Value): Value =>
  node(graph, { type: 'ScatterRows' }, [like, rows, updates], like.shape);

/** Σ weights[r] · −ln softmax(logits)[r, targets[r]], shape [1, 1]; logits [R, V], targets and weights [R, 1]. */
export function crossEntropy(graph: Graph, logits: Value, targets: Value, weights: Value): Value {
  // The log-probabilities are an input of the node so that its gradient can reuse them.
  return node(graph, { type: 'CrossEntropy' }, [logits, logSoftmax(graph, logits), targets, weights], [1, 1]);
}

/** The k largest along the last axis, descending, and their indices. */
export function topK(graph: Graph, x: Value, k: number): { values: Value; indices: Value } {
  const op: Op = { type: 'TopK', k };
  const inputs = [x];
  const shape = [...x.shape.slice(0, -1), k];
  return {
    values: addValue(graph, 'float32', shape, { type: 'node', op, inputs, slot: 0 }),
    indices: addValue(graph, 'int64', shape, { type: 'node', op, inputs, slot: 1 }),
  };
}
