import { type Emitter, floats, integers } from './emitter.ts';
import type { Value } from './graph.ts';
import type { Op } from './ops.ts';
import type { NodeProto } from './proto.ts';

/** Standard operators in place of fused ones that have no WebGPU kernel and would fall back to the CPU. */

function pusher(emitter: Emitter, output: string) {
  return (
    opType: string,
    inputs: readonly string[],
    part: string | null,
    attributes: NodeProto['attributes'] = {},
  ) => {
    const to = part === null ? output : `${output}.${part}`;
    emitter.nodes.push({ opType, inputs, outputs: [to], attributes });
    return to;
  };
}

/** alpha · op(a) · op(b) as Transpose, MatMul and Mul. */
export function emitMatMul(
  emitter: Emitter,
  value: Value,
  op: Extract<Op, { type: 'MatMul' | 'Gemm' }>,
  [a, b]: readonly string[],
  output: string,
): void {
  const push = pusher(emitter, output);
  const rank = value.shape.length;
  const perm = value.shape.map((_, axis) =>
    axis < rank - 2 ? axis : axis === rank - 2 ? rank - 1 : rank - 2,
  );
  const left = op.transposeA ? push('Transpose', [a!], 'a', { perm }) : a!;
  const right = op.transposeB ? push('Transpose', [b!], 'b', { perm }) : b!;
  if (op.alpha === 1) push('MatMul', [left, right], null);
  else {
    const alpha = floats(emitter, `alpha.${op.alpha}`, [], [op.alpha]);
    push('Mul', [push('MatMul', [left, right], 'product'), alpha], null);
  }
}

/** x − max − ln Σ exp(x − max) over the last axis. */
export function emitLogSoftmax(emitter: Emitter, x: string, output: string): void {
  const push = pusher(emitter, output);
  const last = integers(emitter, [-1]);
  const shifted = push('Sub', [x, push('ReduceMax', [x, last], 'max', { keepdims: 1 })], 'shifted');
  const sum = push('ReduceSum', [push('Exp', [shifted], 'exp'), last], 'sum', { keepdims: 1 });
  push('Sub', [shifted, push('Log', [sum], 'log')], null);
}
