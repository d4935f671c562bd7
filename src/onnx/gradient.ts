import { type Graph, reachable, type Shape, sameShape, scalar, type Value } from './graph.ts';
import {
  add,
  div,
  exp,
  gatherElements,
  gemm,
  matMul,
  mul,
  neg,
  type Op,
  type OpType,
  pad,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  rotaryEmbedding,
  scatterElements,
  scatterRows,
  sigmoid,
  slice,
  sqrt,
  sub,
  tanh,
  transpose,
} from './ops.ts';

/** The member of the union that carries a type; several types may share one member. */
type OpOf<T extends OpType> = Op extends infer O
  ? O extends { readonly type: infer U }
    ? T extends U
      ? O & Op
      : never
    : never
  : never;

/** What a rule is told: the node's inputs x, its output y, the gradient dy of the loss with respect to y. */
interface Context<O extends Op> {
  readonly graph: Graph;
  readonly op: O;
  readonly x: readonly Value[];
  readonly y: Value;
  readonly dy: Value;
  /** Whether the gradient of input i is wanted: a rule may skip the others. */
  readonly wanted: (index: number) => boolean;
}

/** One gradient per input, null where there is none or it is not wanted. */
type Rule<O extends Op> = (context: Context<O>) => (Value | null)[];
type Rules = { readonly [T in OpType]: Rule<OpOf<T>> | 'not differentiable' };

/** Sums a gradient over the axes that broadcasting added or stretched. */
function sumTo(graph: Graph, gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const added = gradient.shape.length - shape.length;
  const axes = gradient.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < added || (shape[axis - added] === 1 && gradient.shape[axis] !== 1));
  return reshape(graph, axes.length ? reduceSum(graph, gradient, axes) : gradient, shape);
}

const inverse = (permutation: readonly number[]) => permutation.map((_, axis) => permutation.indexOf(axis));
const last = (value: Value) => [value.shape.length - 1];

/** `dX = …` for y = op(a, b) with a's and b's transposes: the four cases of the product rule. */
function productGradients(
  { op, x, dy, wanted }: Context<OpOf<'MatMul'>>,
  product: (
    a: Value,
    b: Value,
    options: { transposeA: boolean; transposeB: boolean; alpha: number },
  ) => Value,
): (Value | null)[] {
  const [a, b] = [x[0]!, x[1]!];
  const { transposeA, transposeB, alpha } = op;
  // dA = dY Bᵀ, or its transpose when A entered transposed
  const da = () =>
    transposeA
      ? product(b, dy, { transposeA: transposeB, transposeB: true, alpha })
      : product(dy, b, { transposeA: false, transposeB: !transposeB, alpha });
  // dB = Aᵀ dY, or its transpose when B entered transposed
  const db = () =>
    transposeB
      ? product(dy, a, { transposeA: true, transposeB: transposeA, alpha })
      : product(a, dy, { transposeA: !transposeA, transposeB: false, alpha });
  return [wanted(0) ? da() : null, wanted(1) ? db() : null];
}

/**
 * The gradient of every operation. The table is total over the union: an op without a decided gradient does not
 * compile. Source of the form: tinygrad's gradient.py; of the rules: the derivations beside them.
 */
export const gradientRules: Rules = {
  // dA = dY, dB = dY
  Add: ({ graph, x, dy }) => x.map((value) => sumTo(graph, dy, value.shape)),
  // dA = dY, dB = −dY
  Sub: ({ graph, x, dy }) => [sumTo(graph, dy, x[0]!.shape), sumTo(graph, neg(graph, dy), x[1]!.shape)],
  // dA = dY∘B, dB = dY∘A
  Mul: ({ graph, x, dy, wanted }) => [
    wanted(0) ? sumTo(graph, mul(graph, dy, x[1]!), x[0]!.shape) : null,
    wanted(1) ? sumTo(graph, mul(graph, dy, x[0]!), x[1]!.shape) : null,
  ],
  // dA = dY/B, dB = −dY∘Y/B
  Div: ({ graph, x, y, dy }) => [
    sumTo(graph, div(graph, dy, x[1]!), x[0]!.shape),
    sumTo(graph, neg(graph, div(graph, mul(graph, dy, y), x[1]!)), x[1]!.shape),
  ],
  // dX = −dY
  Neg: ({ graph, dy }) => [neg(graph, dy)],
  // dX = dY∘Y
  Exp: ({ graph, y, dy }) => [mul(graph, dy, y)],
  // dX = dY/X
  Log: ({ graph, x, dy }) => [div(graph, dy, x[0]!)],
  // dX = dY/(2Y)
  Sqrt: ({ graph, y, dy }) => [div(graph, dy, mul(graph, y, scalar(graph, 2)))],
  // dX = −dY∘Y²
  Reciprocal: ({ graph, y, dy }) => [neg(graph, mul(graph, dy, mul(graph, y, y)))],
  // dX = dY∘Y(1−Y)
  Sigmoid: ({ graph, y, dy }) => [mul(graph, dy, sub(graph, y, mul(graph, y, y)))],
  // dX = dY∘(1 − Y²)
  Tanh: ({ graph, y, dy }) => [mul(graph, dy, sub(graph, scalar(graph, 1), mul(graph, y, y)))],
  // t = tanh(u), u = √(2/π)(X + cX³): dX = dY∘½((1 + t) + X(1 − t²)·√(2/π)(1 + 3cX²))
  Gelu: ({ graph, x, dy }) => {
    const [value, k, c] = [x[0]!, Math.sqrt(2 / Math.PI), 0.044715];
    const square = mul(graph, value, value);
    const affine = (slope: number) => add(graph, mul(graph, square, scalar(graph, slope)), scalar(graph, k));
    const t = tanh(graph, mul(graph, value, affine(k * c)));
    const fall = sub(graph, scalar(graph, 1), mul(graph, t, t));
    const inner = mul(graph, mul(graph, value, fall), affine(3 * k * c));
    const sum = add(graph, add(graph, scalar(graph, 1), t), inner);
    return [mul(graph, dy, mul(graph, sum, scalar(graph, 0.5)))];
  },
  // dX = dY∘(Y + σ(1−Y)), σ = σ(X)
  Silu: ({ graph, x, y, dy }) => {
    const s = sigmoid(graph, x[0]!);
    return [mul(graph, dy, add(graph, y, mul(graph, s, sub(graph, scalar(graph, 1), y))))];
  },
  // dX = dY, stretched over the summed axes
  ReduceSum: ({ graph, x, dy }) => [add(graph, dy, mul(graph, x[0]!, scalar(graph, 0)))],
  // dX = dY/n, stretched; n = size of X over size of Y
  ReduceMean: ({ graph, op, x, dy }) => {
    const zeros = mul(graph, x[0]!, scalar(graph, 0));
    const count = reduceSum(graph, add(graph, zeros, scalar(graph, 1)), op.axes);
    return [add(graph, div(graph, dy, count), zeros)];
  },
  // dX = Y∘(dY − Σ dY∘Y)
  Softmax: ({ graph, y, dy }) => [
    mul(graph, y, sub(graph, dy, reduceSum(graph, mul(graph, dy, y), last(y)))),
  ],
  // dX = dY − softmax(X)·Σ dY
  LogSoftmax: ({ graph, y, dy }) => [
    sub(graph, dy, mul(graph, exp(graph, y), reduceSum(graph, dy, last(y)))),
  ],
  MatMul: (context) => productGradients(context, (a, b, options) => matMul(context.graph, a, b, options)),
  // as MatMul; dC = dY
  Gemm: (context) => [
    ...productGradients(context, (a, b, options) => gemm(context.graph, a, b, null, options)),
    context.dy,
  ],
  Reshape: ({ graph, x, dy }) => [reshape(graph, dy, x[0]!.shape)],
  Transpose: ({ graph, op, dy }) => [transpose(graph, dy, inverse(op.permutation))],
  Slice: ({ graph, op, x, dy }) => [pad(graph, dy, op.start, Number(x[0]!.shape.at(-1)) - op.end)],
  Pad: ({ graph, op, x, dy }) => [slice(graph, dy, op.before, op.before + Number(x[0]!.shape.at(-1)))],
  Concat: 'not differentiable',
  DecodeHalf: 'not differentiable',
  DecodeBlocks: 'not differentiable',
  DecodeNormalFloat: 'not differentiable',
  BlockMatMul: 'not differentiable',
  Split: 'not differentiable',
  // r = 1/√(mean x² + ε), g = dY∘w: dX = r(g − x r² mean(g∘x)), dw = Σ dY∘x∘r
  RmsNorm: ({ graph, op, x, dy, wanted }) => {
    const [value, weight] = [x[0]!, x[1]!];
    const variance = reduceMean(graph, mul(graph, value, value), last(value));
    const r = reciprocal(graph, sqrt(graph, add(graph, variance, scalar(graph, op.epsilon))));
    const dx = () => {
      const g = mul(graph, dy, weight);
      const projection = mul(graph, reduceMean(graph, mul(graph, g, value), last(value)), mul(graph, r, r));
      return mul(graph, sub(graph, g, mul(graph, value, projection)), r);
    };
    return [
      wanted(0) ? dx() : null,
      wanted(1) ? sumTo(graph, mul(graph, mul(graph, dy, value), r), weight.shape) : null,
    ];
  },
  // a rotation: its transpose is the rotation by the negated angle
  RotaryEmbedding: ({ graph, x, dy }) => [
    rotaryEmbedding(graph, dy, x[1]!, x[2]!, neg(graph, x[3]!)),
    null,
    null,
    null,
  ],
  // dX = 0 with dY scattered to the gathered places; right while no row names an index twice
  GatherElements: ({ graph, x, dy }) => [
    scatterElements(graph, mul(graph, x[0]!, scalar(graph, 0)), x[1]!, dy),
    null,
  ],
  // dX = dY put back into its rows
  GatherRows: ({ graph, x, dy }) => [scatterRows(graph, x[0]!, x[1]!, dy), null],
  ScatterRows: 'not differentiable',
  // dX = dY with zeros at the written places, dUpdates = dY gathered there
  ScatterElements: ({ graph, x, dy }) => [
    scatterElements(graph, dy, x[1]!, mul(graph, x[2]!, scalar(graph, 0))),
    null,
    gatherElements(graph, dy, x[1]!),
  ],
  // dLogits = dY·w∘(softmax − onehot)
  CrossEntropy: ({ graph, x, dy }) => {
    const [, logProbabilities, targets, weights] = [x[0]!, x[1]!, x[2]!, x[3]!];
    const scaled = mul(graph, exp(graph, logProbabilities), mul(graph, weights, dy));
    const atTarget = sub(graph, gatherElements(graph, scaled, targets), mul(graph, weights, dy));
    return [scatterElements(graph, scaled, targets, atTarget), null, null, null];
  },
  TopK: 'not differentiable',
};

/** Adds a contribution; a plain product is folded into the running sum by Gemm's own addend. */
function accumulate(graph: Graph, sum: Value | undefined, term: Value): Value {
  if (!sum) return term;
  const { source } = term;
  if (source.type === 'node' && source.op.type === 'Gemm' && source.inputs.length === 2) {
    return gemm(graph, source.inputs[0]!, source.inputs[1]!, sum, source.op);
  }
  return add(graph, sum, term);
}

/**
 * Reverse-mode differentiation: given dL/dy (of y's shape) for some value y, builds dL/dt for every target t.
 * The walk is pruned to nodes that lie between targets and y.
 * @throws Error (internal) when the path crosses an op that is not differentiable, or a target is not reached.
 */
export function gradients(graph: Graph, y: Value, dy: Value, targets: readonly Value[]): Map<Value, Value> {
  if (!sameShape(dy.shape, y.shape)) throw new Error('internal: dy must have the shape of y');
  const wanted = new Set(targets.map((target) => target.id));
  const path = reachable(graph, [y]);
  for (const { id, source } of path) {
    if (source.type === 'node' && source.inputs.some((value) => wanted.has(value.id))) wanted.add(id);
  }
  const sums = new Map<Value, Value>([[y, dy]]);
  for (const value of path.reverse()) {
    const gradient = sums.get(value);
    if (!gradient || value.source.type !== 'node' || !wanted.has(value.id)) continue;
    const { op, inputs } = value.source;
    const rule = gradientRules[op.type] as Rule<Op> | 'not differentiable';
    if (rule === 'not differentiable') throw new Error(`internal: ${op.type} has no gradient`);
    const parts = rule({
      graph,
      op,
      x: inputs,
      y: value,
      dy: gradient,
      wanted: (index) => wanted.has(inputs[index]!.id),
    });
    inputs.forEach((from, index) => {
      const part = parts[index];
      if (part && wanted.has(from.id)) sums.set(from, accumulate(graph, sums.get(from), part));
    });
  }
  return new Map(
    targets.map((target) => {
      const sum = sums.get(target);
      if (!sum) throw new Error('internal: a target of gradients() does not influence the value');
      return [target, sum];
    }),
  );
}
