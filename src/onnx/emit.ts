import { emitDecode } from './emit-decode.ts';
import { emitLogSoftmax, emitMatMul } from './emit-webgpu.ts';
import { type Device, type Emitter, floats, integers } from './emitter.ts';
import { dimensionSource, type Graph, reachable, type Shape, type Value } from './graph.ts';
import { type ConstantProto, encodeModel, type NodeProto, type ValueProto } from './proto.ts';

const microsoft = 'com.microsoft';

/** A one-element int64 tensor that holds the size of an axis. */
function sizeOf(emitter: Emitter, value: Value, axis: number): string {
  const name = `${emitter.nameOf(value)}.size${axis}`;
  if (!emitter.sizes.has(name)) {
    emitter.sizes.set(name, name);
    emitter.nodes.push({
      opType: 'Shape',
      inputs: [emitter.nameOf(value)],
      outputs: [name],
      attributes: { start: axis, end: axis + 1 },
    });
  }
  return name;
}

/** The shape operand of a Reshape: literal when at most one size is unknown, else put together from the inputs' sizes. */
function shapeOperand(emitter: Emitter, shape: Shape, used: ReadonlySet<Value>): string {
  const named = shape.filter((size) => typeof size === 'string');
  if (named.length <= 1)
    return integers(
      emitter,
      shape.map((size) => (typeof size === 'string' ? -1 : size)),
    );
  let inferred = 0;
  const parts = shape.map((size) => {
    if (typeof size === 'number') return integers(emitter, [size]);
    const from = dimensionSource(emitter.graph, size);
    if (from && used.has(from.value)) return sizeOf(emitter, from.value, from.axis);
    if (++inferred > 1) throw new Error(`internal: cannot infer the sizes of a reshape to [${shape.join()}]`);
    return integers(emitter, [-1]);
  });
  const name = `shape.${shape.join('_')}`;
  if (!emitter.sizes.has(name)) {
    emitter.sizes.set(name, name);
    emitter.nodes.push({ opType: 'Concat', inputs: parts, outputs: [name], attributes: { axis: 0 } });
  }
  return name;
}

/** The ONNX nodes of one value; for CPU in fused forms where ONNX Runtime has them. */
function emitNode(emitter: Emitter, value: Value, used: ReadonlySet<Value>): void {
  if (value.source.type !== 'node') return;
  const { op, slot } = value.source;
  const inputs = value.source.inputs.map(emitter.nameOf);
  const output = emitter.nameOf(value);
  const push = (
    opType: string,
    from: readonly string[],
    attributes: NodeProto['attributes'] = {},
    domain?: string,
    outputs = [output],
  ) => emitter.nodes.push({ opType, inputs: from, outputs, attributes, ...(domain ? { domain } : {}) });
  switch (op.type) {
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div':
    case 'Neg':
    case 'Exp':
    case 'Log':
    case 'Sqrt':
    case 'Reciprocal':
    case 'Sigmoid':
    case 'Tanh':
      return void push(op.type, inputs);
    case 'Gelu':
      return void push('Gelu', inputs, { approximate: 'tanh' });
    case 'Silu':
      return void push('QuickGelu', inputs, { alpha: { float: 1 } }, microsoft);
    case 'ReduceSum':
    case 'ReduceMean':
      return void push(op.type, [inputs[0]!, integers(emitter, op.axes)], { keepdims: 1 });
    case 'LogSoftmax':
      if (emitter.device === 'webgpu') return void emitLogSoftmax(emitter, inputs[0]!, output);
      return void push(op.type, inputs, { axis: -1 });
    case 'Softmax':
      return void push(op.type, inputs, { axis: -1 });
    case 'MatMul':
      if (emitter.device === 'webgpu') return void emitMatMul(emitter, value, op, inputs, output);
      return void push(
        'FusedMatMul',
        inputs,
        { transA: Number(op.transposeA), transB: Number(op.transposeB), alpha: { float: op.alpha } },
        microsoft,
      );
    case 'Gemm':
      return void push('Gemm', inputs, {
        transA: Number(op.transposeA),
        transB: Number(op.transposeB),
        alpha: { float: op.alpha },
      });
    case 'Reshape':
      return void push('Reshape', [inputs[0]!, shapeOperand(emitter, op.shape, used)]);
    case 'Transpose':
      return void push('Transpose', inputs, { perm: op.permutation });
    case 'Concat':
      return void push('Concat', inputs, { axis: op.axis });
    case 'Split': {
      const at = sizeOf(emitter, value.source.inputs[1]!, op.likeAxis);
      const [start, end] =
        op.side === 'front' ? [integers(emitter, [0]), at] : [at, integers(emitter, [2 ** 31 - 1])];
      return void push('Slice', [inputs[0]!, start, end, integers(emitter, [op.axis])]);
    }
    case 'Slice': {
      const bounds = [op.start, op.end, -1].map((bound) => integers(emitter, [bound]));
      return void push('Slice', [inputs[0]!, ...bounds]);
    }
    case 'Pad': {
      const ends = value.shape.slice(1).map(() => 0);
      const pads = integers(emitter, [...ends, op.before, ...ends, op.after]);
      return void push('Pad', [inputs[0]!, pads]);
    }
    case 'DecodeHalf':
    case 'DecodeBlocks':
    case 'DecodeNormalFloat':
      return void emitDecode(emitter, value, op, inputs, output);
    case 'BlockMatMul': {
      const sizes = { N: op.rows, K: op.columns, bits: op.bits, block_size: op.block };
      return void push('MatMulNBits', inputs, { ...sizes, accuracy_level: 4 }, microsoft);
    }
    case 'RmsNorm':
      return void push('SimplifiedLayerNormalization', inputs, { axis: -1, epsilon: { float: op.epsilon } });
    case 'RotaryEmbedding':
      return void push('RotaryEmbedding', inputs, {}, microsoft);
    case 'GatherRows':
      return void push('Gather', inputs, { axis: 0 });
    case 'ScatterRows': {
      const [like, rows, updates] = inputs as [string, string, string];
      push('Mul', [like, floats(emitter, 'zero', [], [0])], {}, undefined, [`${output}.zeros`]);
      push('Unsqueeze', [rows, integers(emitter, [1])], {}, undefined, [`${output}.rows`]);
      return void push('ScatterND', [`${output}.zeros`, `${output}.rows`, updates]);
    }
    case 'GatherElements':
      return void push('GatherElements', inputs, { axis: 1 });
    case 'ScatterElements':
      return void push('ScatterElements', inputs, { axis: 1 });
    case 'CrossEntropy': {
      const [, logProbabilities, targets, weights] = inputs as [string, string, string, string];
      push('GatherElements', [logProbabilities, targets], { axis: 1 }, undefined, [`${output}.picked`]);
      push('Mul', [`${output}.picked`, weights], {}, undefined, [`${output}.weighted`]);
      push('ReduceSum', [`${output}.weighted`, integers(emitter, [0, 1])], { keepdims: 1 }, undefined, [
        `${output}.sum`,
      ]);
      return void push('Neg', [`${output}.sum`]);
    }
    case 'TopK': {
      // Both outputs belong to one node: whichever value is emitted first names its sibling too.
      const sibling = emitter.nameOf(emitter.graph.values[value.id + (slot === 0 ? 1 : -1)]!);
      const outputs = slot === 0 ? [output, sibling] : [sibling, output];
      if (emitter.sizes.has(`topk.${outputs[0]}`)) return;
      emitter.sizes.set(`topk.${outputs[0]}`, '');
      return void push(
        'TopK',
        [inputs[0]!, integers(emitter, [op.k])],
        { axis: -1, largest: 1, sorted: 1 },
        undefined,
        outputs,
      );
    }
    default:
      op satisfies never;
  }
}

/** What an emitted model is told besides its outputs. */
export interface EmitOptions {
  readonly device?: Device;
  /** Values inside the graph that are fed under these names instead of being computed. */
  readonly given?: ReadonlyMap<string, Value>;
  /** Inputs that become part of the model, so that ONNX Runtime can lay them out once. */
  readonly fixed?: ReadonlyMap<string, ConstantProto['data']>;
}

/**
 * The bytes of an ONNX model that computes the named outputs. Inputs that no output needs are left out.
 * @returns the bytes and the names of the inputs that must be fed.
 */
export function emitModel(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  { device = 'cpu', given = new Map(), fixed = new Map() }: EmitOptions = {},
): { bytes: Uint8Array; inputNames: readonly string[] } {
  const fed = new Map([...given].map(([name, value]) => [value, name]));
  const values = reachable(graph, outputs.values(), new Set(fed.keys()));
  const used: ReadonlySet<Value> = new Set(values);
  const inputName = (value: Value) =>
    value.source.type === 'input' ? value.source.name : (fed.get(value) ?? null);
  // A computed value is called what the output is called: a copy under that name would cost its size.
  const outputName = new Map(
    [...outputs]
      .reverse()
      .flatMap(([name, value]) =>
        inputName(value) === null && value.source.type === 'node' ? [[value, name]] : [],
      ),
  );
  const nameOf = (value: Value) => inputName(value) ?? outputName.get(value) ?? `v${value.id}`;
  const emitter: Emitter = { graph, device, nodes: [], constants: new Map(), sizes: new Map(), nameOf };
  const inputs: ValueProto[] = [];
  for (const value of values) {
    const { dataType, source } = value;
    const own = inputName(value);
    const data = source.type === 'constant' ? source.data : own === null ? undefined : fixed.get(own);
    if (data) {
      const name = nameOf(value);
      emitter.constants.set(name, { name, dataType, shape: value.shape as number[], data });
    } else if (own !== null) inputs.push({ name: own, dataType, shape: value.shape });
    else emitNode(emitter, value, used);
  }
  const results: ValueProto[] = [...outputs].map(([name, value]) => ({
    name,
    dataType: value.dataType,
    shape: value.shape,
  }));
  for (const [name, value] of outputs)
    if (nameOf(value) !== name)
      emitter.nodes.push({ opType: 'Identity', inputs: [nameOf(value)], outputs: [name] });
  const bytes = encodeModel({
    nodes: emitter.nodes,
    constants: [...emitter.constants.values()],
    inputs,
    outputs: results,
  });
  return { bytes, inputNames: inputs.map((value) => value.name) };
}
