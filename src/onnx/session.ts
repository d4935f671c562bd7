import type * as Ort from 'onnxruntime-node';
import { AuditError } from '../errors.ts';
import { emitModel } from './emit.ts';
import type { Graph, Value } from './graph.ts';
import type { Stored } from './stored.ts';

/** A dense tensor in memory; int64 data are indices and positions. */
export interface Tensor {
  readonly data: Float32Array | BigInt64Array;
  readonly shape: readonly number[];
}

/** A graph ready to run. One session runs at a time: each owns a pool of threads. */
export interface Session {
  /** The inputs that must be fed; others are ignored. */
  readonly inputNames: readonly string[];
  /** @throws Error when a feed is missing or a shape does not fit. */
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Float32Array | BigInt64Array>>;
  release(): Promise<void>;
}

/** A tensor wrapped once for ONNX Runtime, so that a weight is not wrapped at every call. */
export type Feed = Ort.Tensor;

let loaded: Promise<typeof Ort> | undefined;

/**
 * ONNX Runtime, imported at first use because it is an optional dependency.
 * @throws AuditError `engine` when it is not installed.
 */
export function loadRuntime(): Promise<typeof Ort> {
  loaded ??= import('onnxruntime-node').then(
    (module) => {
      module.env.logLevel = 'error';
      return module;
    },
    (cause: unknown) => {
      throw new AuditError('engine', 'the embedded engine needs onnxruntime-node, which is not installed', {
        hint: 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node   (the variable keeps its set-up from downloading CUDA libraries)',
        cause,
      });
    },
  );
  return loaded;
}

/** Wraps a tensor without copying it: later changes of `data` are seen by later runs. */
export async function feed({ data, shape }: Tensor): Promise<Feed> {
  const { Tensor: OrtTensor } = await loadRuntime();
  return data instanceof Float32Array
    ? new OrtTensor('float32', data, shape)
    : new OrtTensor('int64', data, shape);
}

/** The feeds of a weight, as `storedInput` names them; [out, in] or a vector. Nothing is copied. */
export async function feedStored(
  name: string,
  stored: Stored,
  shape: readonly number[],
): Promise<Record<string, Feed>> {
  if (stored instanceof Float32Array) return { [name]: await feed({ data: stored, shape }) };
  const { Tensor: OrtTensor } = await loadRuntime();
  if ('data' in stored) {
    const type = stored.format === 'f16' ? 'float16' : 'uint16';
    return { [name]: new OrtTensor(type, stored.data, shape) };
  }
  const codes = new OrtTensor('uint8', stored.codes, [stored.codes.length]);
  const column = (data: Float32Array) => feed({ data, shape: [data.length, 1] });
  if (stored.format === 'nf4') {
    const pairs = Float32Array.from({ length: 512 }, (_, i) => stored.table[i & 1 ? (i >> 1) & 15 : i >> 5]!);
    return {
      [`${name}.codes`]: codes,
      [`${name}.absmax`]: await column(stored.absmax),
      [`${name}.table`]: await feed({ data: pairs, shape: [256, 2] }),
    };
  }
  const feeds = { [`${name}.codes`]: codes, [`${name}.scales`]: await column(stored.scales) };
  return stored.zeros ? { ...feeds, [`${name}.zeros`]: await column(stored.zeros) } : feeds;
}

/** Builds a session for the named outputs of a graph, on `threads` CPU threads; `given` values are fed, not computed. */
export async function createSession(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  threads: number,
  given?: ReadonlyMap<string, Value>,
): Promise<Session> {
  const { InferenceSession } = await loadRuntime();
  const { bytes, inputNames } = emitModel(graph, outputs, given);
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // The graph is emitted in fused form; the optimiser would fold recomputation away and costs start-up time.
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    logSeverityLevel: 3,
    // Weights are fed, so there is nothing to prepack; threads that spin while they wait starve their neighbours.
    extra: { session: { disable_prepacking: '1', 'intra_op.allow_spinning': '0' } },
  });
  return {
    inputNames,
    async run(feeds) {
      const given: Record<string, Feed> = {};
      for (const name of inputNames) {
        const value = feeds[name];
        if (!value) throw new Error(`internal: graph input ${name} is not fed`);
        given[name] = value;
      }
      const results = await session.run(given);
      return Object.fromEntries(
        Object.entries(results).map(([name, { data }]) => [name, data as Float32Array | BigInt64Array]),
      );
    },
    release: () => session.release(),
  };
}
