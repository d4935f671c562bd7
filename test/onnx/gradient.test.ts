import { describe, expect, test } from 'vitest';
import { gradientRules, gradients } from '../../src/onnx/gradient.ts';
import { createGraph, type Graph, input, type Shape, scalar, type Value } from '../../src/onnx/graph.ts';
import type { OpType } from '../../src/onnx/ops.ts';
import * as ops from '../../src/onnx/ops.ts';
import { createSession, feed } from '../../src/onnx/session.ts';
import { createRandom } from '../../src/random.ts';

/** One use of an op: its differentiable inputs (concrete shapes) and how they are put together. */
interface Case {
  readonly name: string;
  readonly op: OpType;
  readonly shapes: readonly (readonly number[])[];
  /** Shifts the inputs away from where the op is undefined. */
  readonly offset?: number;
  readonly build: (graph: Graph, x: readonly Value[]) => Value;
}

const integersInput = (graph: Graph, name: string, shape: Shape) => input(graph, name, shape, 'int64');

const unaryCase = (op: OpType, build: (graph: Graph, x: Value) => Value, offset = 0): Case => ({
  name: op,
  op,
  shapes: [[3, 4]],
  offset,
  build: (graph, x) => build(graph, x[0]!),
});

const products = (op: 'MatMul' | 'Gemm'): Case[] =>
  [false, true].flatMap((transposeA) =>
    [false, true].map((transposeB): Case => {
      const batch = op === 'MatMul' ? [2, 2] : [];
      return {
        name: `${op} ${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`,
        op,
        shapes: [
          [...batch, ...(transposeA ? [4, 3] : [3, 4])],
          [...batch, ...(transposeB ? [5, 4] : [4, 5])],
          ...(op === 'Gemm' ? [[3, 5]] : []),
        ],
        build: (graph, x) =>
          op === 'Gemm'
            ? ops.gemm(graph, x[0]!, x[1]!, x[2]!, { transposeA, transposeB, alpha: 0.7 })
            : ops.matMul(graph, x[0]!, x[1]!, { transposeA, transposeB, alpha: 0.7 }),
      };
    }),
  );

const cases: Case[] = [
  unaryCase('Tanh', ops.tanh),
  unaryCase('GatherRows', (graph, x) => ops.gatherRows(graph, x, integersInput(graph, 'rows', [2]))),
  unaryCase('Gelu', ops.gelu),
  unaryCase('Slice', (graph, x) => ops.slice(graph, x, 1, 3)),
  unaryCase('Pad', (graph, x) => ops.pad(graph, x, 2, 1)),
  { name: 'Add, broadcast', op: 'Add', shapes: [[3, 4], [4]], build: (g, x) => ops.add(g, x[0]!, x[1]!) },
  {
    name: 'Sub, broadcast',
    op: 'Sub',
    shapes: [
      [3, 1],
      [3, 4],
    ],
    build: (g, x) => ops.sub(g, x[0]!, x[1]!),
  },
  {
    name: 'Mul, broadcast',
    op: 'Mul',
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
    build: (g, x) => ops.mul(g, x[0]!, x[1]!),
  },
  {
    name: 'Div, broadcast',
    op: 'Div',
    shapes: [
      [3, 4],
      [3, 1],
    ],
    offset: 2,
    build: (g, x) => ops.div(g, x[0]!, x[1]!),
  },
  unaryCase('Neg', ops.neg),
  unaryCase('Exp', ops.exp),
  unaryCase('Log', ops.log, 2),
  unaryCase('Sqrt', ops.sqrt, 2),
  unaryCase('Reciprocal', ops.reciprocal, 2),
  unaryCase('Sigmoid', ops.sigmoid),
  unaryCase('Silu', ops.silu),
  unaryCase('Softmax', ops.softmax),
  unaryCase('LogSoftmax', ops.logSoftmax),
  {
    name: 'ReduceSum',
    op: 'ReduceSum',
    shapes: [[2, 3, 4]],
    build: (g, x) => ops.reduceSum(g, x[0]!, [0, 2]),
  },
  {
    name: 'ReduceMean',
    op: 'ReduceMean',
    shapes: [[2, 3, 4]],
    build: (g, x) => ops.reduceMean(g, x[0]!, [1]),
  },
  ...products('MatMul'),
  ...products('Gemm'),
  { name: 'Reshape', op: 'Reshape', shapes: [[2, 6]], build: (g, x) => ops.reshape(g, x[0]!, [3, 4]) },
  {
    name: 'Transpose',
    op: 'Transpose',
    shapes: [[2, 3, 4]],
    build: (g, x) => ops.transpose(g, x[0]!, [2, 0, 1]),
  },
  {
    name: 'RmsNorm',
    op: 'RmsNorm',
    shapes: [[3, 4], [4]],
    build: (g, x) => ops.rmsNorm(g, x[0]!, x[1]!, 1e-5),
  },
  {
    name: 'RotaryEmbedding',
    op: 'RotaryEmbedding',
    shapes: [[2, 2, 3, 4]],
    build: (g, x) =>
      ops.rotaryEmbedding(
        g,
        x[0]!,
        integersInput(g, 'positions', [2, 3]),
        input(g, 'cosines', [8, 2]),
        input(g, 'sines', [8, 2]),
      ),
  },
  {
    name: 'GatherElements',
    op: 'GatherElements',
    shapes: [[3, 4]],
    build: (g, x) => ops.gatherElements(g, x[0]!, integersInput(g, 'indices', [3, 2])),
  },
  {
    name: 'ScatterElements',
    op: 'ScatterElements',
    shapes: [
      [3, 4],
      [3, 2],
    ],
    build: (g, x) => ops.scatterElements(g, x[0]!, integersInput(g, 'indices', [3, 2]), x[1]!),
  },
  {
    name: 'CrossEntropy',
    op: 'CrossEntropy',
    shapes: [[3, 4]],
    build: (g, x) =>
      ops.crossEntropy(g, x[0]!, integersInput(g, 'targets', [3, 1]), input(g, 'weights', [3, 1])),
  },
];

const angles = Float32Array.from({ length: 16 }, (_, i) => i * 0.37);
const fixed: Record<string, { data: Float32Array | BigInt64Array; shape: number[] }> = {
  positions: { data: BigInt64Array.of(0n, 3n, 5n, 1n, 2n, 7n), shape: [2, 3] },
  cosines: { data: angles.map(Math.cos), shape: [8, 2] },
  sines: { data: angles.map(Math.sin), shape: [8, 2] },
  indices: { data: BigInt64Array.of(0n, 2n, 3n, 1n, 1n, 2n), shape: [3, 2] },
  rows: { data: BigInt64Array.of(2n, 0n), shape: [2] },
  targets: { data: BigInt64Array.of(1n, 3n, 0n), shape: [3, 1] },
  weights: { data: Float32Array.of(0.5, 0.2, 0.3), shape: [3, 1] },
};

/** Σ y∘c for a fixed random c, its gradients by the rules and by central differences. */
async function compare({ name, shapes, offset = 0, build }: Case): Promise<number> {
  const graph = createGraph();
  const random = createRandom('gradient', name);
  const x = shapes.map((shape, index) => input(graph, `x${index}`, shape));
  const y = build(graph, x);
  const c = input(graph, 'c', y.shape);
  const slopes = gradients(graph, y, c, x);
  const total = ops.reduceSum(
    graph,
    ops.mul(graph, y, c),
    y.shape.map((_, axis) => axis),
  );
  const outputs = new Map<string, Value>([
    ['total', total],
    ...x.map((value, index) => [`dx${index}`, slopes.get(value)!] as const),
  ]);
  const session = await createSession(graph, outputs, { threads: 1 });
  const fill = (shape: readonly number[], shift: number) => ({
    data: Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => shift + random.next() * 2 - 1,
    ),
    shape,
  });
  const tensors: Record<string, { data: Float32Array | BigInt64Array; shape: readonly number[] }> = {
    ...fixed,
    ...Object.fromEntries(shapes.map((shape, index) => [`x${index}`, fill(shape, offset)])),
    c: fill(y.shape as number[], 0),
  };
  const run = async () =>
    session.run(
      Object.fromEntries(
        await Promise.all(
          Object.entries(tensors).map(async ([key, value]) => [key, await feed(value)] as const),
        ),
      ),
    );
  const exact = await run();
  let error = 0;
  let size = 0;
  for (const index of shapes.keys()) {
    const data = tensors[`x${index}`]!.data as Float32Array;
    for (let i = 0; i < data.length; i++) {
      const [center, step] = [data[i]!, 1e-2];
      data[i] = center + step;
      const above = Number((await run()).total![0]);
      data[i] = center - step;
      const below = Number((await run()).total![0]);
      data[i] = center;
      const slope = (above - below) / (2 * step);
      error += (slope - Number(exact[`dx${index}`]![i])) ** 2;
      size += slope ** 2;
    }
  }
  await session.release();
  return Math.sqrt(error / size);
}

describe('every gradient rule agrees with central differences', () => {
  test.each(cases)('$name', async (entry) => {
    expect(await compare(entry)).toBeLessThan(2e-3);
  });

  test('no differentiable op is left out of the sweep', () => {
    const differentiable = Object.entries(gradientRules).flatMap(([type, rule]) =>
      rule === 'not differentiable' ? [] : [type],
    );
    expect([...new Set(cases.map((entry) => entry.op))].sort()).toEqual(differentiable.sort());
  });
});

describe('the walk', () => {
  test('adds up the paths of a value used twice, and ignores what leads nowhere', async () => {
    const graph = createGraph();
    const x = input(graph, 'x', [2]);
    const y = ops.add(graph, ops.mul(graph, x, x), ops.mul(graph, x, scalar(graph, 3)));
    ops.exp(graph, x);
    const slopes = gradients(graph, y, input(graph, 'dy', [2]), [x]);
    const session = await createSession(graph, new Map([['dx', slopes.get(x)!]]), { threads: 1 });
    const { dx } = await session.run({
      x: await feed({ data: Float32Array.of(2, -1), shape: [2] }),
      dy: await feed({ data: Float32Array.of(1, 1), shape: [2] }),
    });
    expect(dx).toEqual(Float32Array.of(7, 1));
    await session.release();
  });

  test('refuses a path through an op without a gradient, and an unreached target', () => {
    const graph = createGraph();
    const [x, unused] = [input(graph, 'x', [4]), input(graph, 'unused', [4])];
    const best = ops.topK(graph, x, 2).values;
    expect(() => gradients(graph, best, input(graph, 'dbest', [2]), [x])).toThrow(
      'internal: TopK has no gradient',
    );
    expect(() => gradients(graph, ops.exp(graph, x), input(graph, 'dexp', [4]), [unused])).toThrow(
      'does not influence',
    );
  });
});
