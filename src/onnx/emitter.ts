import type { Graph, Value } from './graph.ts';
import type { ConstantProto, NodeProto } from './proto.ts';

/** Where a graph runs. WebGPU has kernels for standard operators, not for all of Microsoft's. */
export type Device = 'cpu' | 'webgpu';

/** Collects the nodes of one model; names are v<id>, with suffixes for the helpers a value needs. */
export interface Emitter {
  readonly graph: Graph;
  readonly device: Device;
  readonly nodes: NodeProto[];
  readonly constants: Map<string, ConstantProto>;
  readonly sizes: Map<string, string>;
  readonly nameOf: (value: Value) => string;
}

export function integers(emitter: Emitter, values: readonly number[]): string {
  const name = `i${values.join('_')}`;
  emitter.constants.set(name, {
    name,
    dataType: 'int64',
    shape: [values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  return name;
}

/** A constant of float32, shared by its name. */
export function floats(
  emitter: Emitter,
  name: string,
  shape: readonly number[],
  values: readonly number[],
): string {
  emitter.constants.set(name, { name, dataType: 'float32', shape, data: Float32Array.from(values) });
  return name;
}
