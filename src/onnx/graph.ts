import type { Op } from './ops.ts';
import type { DataType } from './proto.ts';

/** A size known now, or the name of one known when the graph runs; a name ending in `?` may be 1 in its place. */
export type Dimension = number | string;
export type Shape = readonly Dimension[];

/** One tensor of a graph: an input, a constant, or the output of a node. */
export interface Value {
  readonly id: number;
  readonly dataType: DataType;
  readonly shape: Shape;
  readonly source: Source;
}

export type Source =
  | { readonly type: 'input'; readonly name: string }
  | { readonly type: 'constant'; readonly data: Float32Array | BigInt64Array }
  /** `slot` tells the outputs of a node with several (TopK) apart. */
  | { readonly type: 'node'; readonly op: Op; readonly inputs: readonly Value[]; readonly slot: number };

/**
 * A graph under construction: values in the order they were made, which is a topological order.
 * What no output reaches is left out when the model is emitted, so rules may build more than is used.
 */
export interface Graph {
  readonly values: Value[];
  readonly inputs: Map<string, Value>;
  /** Constants by content, so that equal ones are shared. */
  readonly constants: Map<string, Value>;
}

export function createGraph(): Graph {
  return { values: [], inputs: new Map(), constants: new Map() };
}

/** Declares a graph input. @throws Error (internal) when the name is taken. */
export function input(graph: Graph, name: string, shape: Shape, dataType: DataType = 'float32'): Value {
  if (graph.inputs.has(name)) throw new Error(`internal: graph input ${name} declared twice`);
  const value = addValue(graph, dataType, shape, { type: 'input', name });
  graph.inputs.set(name, value);
  return value;
}

/** A float32 constant of rank 0, or of the given shape. */
export function scalar(graph: Graph, value: number): Value {
  return constant(graph, 'float32', [], Float32Array.of(value));
}

/** An int64 vector constant, as axes and shapes are passed. */
export function integers(graph: Graph, values: readonly number[]): Value {
  return constant(graph, 'int64', [values.length], BigInt64Array.from(values, BigInt));
}

function constant(graph: Graph, dataType: DataType, shape: Shape, data: Float32Array | BigInt64Array): Value {
  const key = `${dataType}|${shape.join()}|${data.join()}`;
  const known = graph.constants.get(key);
  if (known) return known;
  const value = addValue(graph, dataType, shape, { type: 'constant', data });
  graph.constants.set(key, value);
  return value;
}

/** Adds a value; the building blocks in ops.ts are the only other callers. */
export function addValue(graph: Graph, dataType: DataType, shape: Shape, source: Source): Value {
  const value: Value = { id: graph.values.length, dataType, shape, source };
  graph.values.push(value);
  return value;
}

/** The graph input and axis that carry a named dimension, or null when it is derived. */
export function dimensionSource(graph: Graph, name: string): { value: Value; axis: number } | null {
  for (const value of graph.inputs.values()) {
    const axis = value.shape.indexOf(name);
    if (axis >= 0) return { value, axis };
  }
  return null;
}

/** Every value that the outputs need, in topological order; what only `given` values need is left out. */
export function reachable(
  graph: Graph,
  outputs: Iterable<Value>,
  given: ReadonlySet<Value> = new Set(),
): Value[] {
  const needed = new Set<number>();
  const pending = [...outputs];
  for (let value = pending.pop(); value; value = pending.pop()) {
    if (needed.has(value.id)) continue;
    needed.add(value.id);
    if (value.source.type === 'node' && !given.has(value)) pending.push(...value.source.inputs);
  }
  return graph.values.filter((value) => needed.has(value.id));
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);
