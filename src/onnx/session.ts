import type * as Ort from 'onnxruntime-node';
import { AuditError } from '../errors.ts';
import { emitModel } from './emit.ts';
import type { Device } from './emitter.ts';
import { createGraph, type Graph, input, type Value } from './graph.ts';
import type { DataType } from './proto.ts';
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
  /** The same, results wrapped for feeding them again. */
  runTensors(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Feed>>;
  release(): Promise<void>;
}

/** A tensor wrapped once for ONNX Runtime, so that a weight is not wrapped at every call. */
export type Feed = Ort.Tensor;

export type { Device };

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
    // As bits: where JavaScript has a Float16Array, ONNX Runtime 1.30 sees no bytes in a tensor of float16.
    return { [name]: new OrtTensor('uint16', stored.data, shape) };
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

export interface SessionOptions {
  readonly threads: number;
  readonly device?: Device;
  /** Values that are fed, not computed. */
  readonly given?: ReadonlyMap<string, Value>;
  /** Inputs that become part of the session: ONNX Runtime lays them out once, and keeps a copy of its own. */
  readonly fixed?: Readonly<Record<string, Feed>>;
}

/**
 * Builds a session for the named outputs of a graph.
 * @throws AuditError `unsupported` when there is no such device.
 */
export async function createSession(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  { threads, device = 'cpu', given, fixed }: SessionOptions,
): Promise<Session> {
  const { InferenceSession } = await loadRuntime();
  const constants = Object.entries(fixed ?? {}).map(
    ([name, { data }]) => [name, data as Float32Array] as const,
  );
  const { bytes, inputNames } = emitModel(graph, outputs, {
    device,
    ...(given && { given }),
    fixed: new Map(constants),
  });
  const options: Ort.InferenceSession.SessionOptions = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // The graph is emitted in fused form; the optimiser would fold recomputation away and costs start-up time.
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    logSeverityLevel: 3,
    // Fed weights cannot be laid out ahead; threads that spin while they wait starve their neighbours.
    extra: { session: { disable_prepacking: fixed ? '0' : '1', 'intra_op.allow_spinning': '0' } },
  };
  const session = await InferenceSession.create(bytes, options).catch((cause: unknown) => {
    throw device === 'cpu' ? cause : deviceProblem(cause);
  });
  const runTensors: Session['runTensors'] = (feeds) => {
    const wanted: Record<string, Feed> = {};
    for (const name of inputNames) {
      const value = feeds[name];
      if (!value) throw new Error(`internal: graph input ${name} is not fed`);
      wanted[name] = value;
    }
    return session.run(wanted) as Promise<Record<string, Feed>>;
  };
  return {
    inputNames,
    runTensors,
    async run(feeds) {
      const results = await runTensors(feeds);
      return Object.fromEntries(
        Object.entries(results).map(([name, { data }]) => [name, data as Float32Array | BigInt64Array]),
      );
    },
    release: () => session.release(),
  };
}

let webGpu: Promise<boolean> | undefined;

/** Where to run: `auto` is WebGPU where a session can be made there, else the CPU. */
export async function deviceOf(wanted: 'auto' | Device): Promise<Device> {
  if (wanted !== 'auto') return wanted;
  webGpu ??= resident({ probe: await feed({ data: Float32Array.of(1), shape: [1] }) }, 'webgpu').then(
    async ({ release }) => release().then(() => true),
    () => false,
  );
  return (await webGpu) ? 'webgpu' : 'cpu';
}

/** Why a WebGPU session could not be made: there is no device, or what there is has no room for the weights. */
export function deviceProblem(cause: unknown): AuditError {
  const { message } = cause as Error;
  const full = /memory|allocat|maxBufferSize|buffer size|exceeds the max/i.test(message);
  return new AuditError(
    'unsupported',
    `${full ? 'the WebGPU device has no room for the model' : 'no WebGPU device can be used'}: ${message}`,
    {
      hint: full
        ? 'set device: cpu, take 8-bit or 4-bit weights, or free the device’s memory'
        : 'set device: cpu, or device: auto to fall back by itself; on Linux a Vulkan driver is needed',
      cause,
    },
  );
}

/** Tensors on a device, where they stay until they are let go. */
export interface Resident {
  readonly feeds: Readonly<Record<string, Feed>>;
  release(): Promise<void>;
}

/**
 * The same tensors on the device; on the CPU nothing is done. Never read them back: ONNX Runtime's binding aborts the
 * process.
 */
export async function resident(feeds: Readonly<Record<string, Feed>>, device: Device): Promise<Resident> {
  if (device === 'cpu') return { feeds, release: async () => {} };
  const { InferenceSession } = await loadRuntime();
  const graph = createGraph();
  const outputs = new Map<string, Value>();
  for (const [name, { dims, type }] of Object.entries(feeds))
    outputs.set(`${name}.resident`, input(graph, name, dims, type as DataType));
  const options = {
    executionProviders: [device],
    preferredOutputLocation: 'gpu-buffer',
    logSeverityLevel: 3,
  } as const;
  const session = await InferenceSession.create(emitModel(graph, outputs, { device }).bytes, options).catch(
    (cause: unknown) => {
      throw deviceProblem(cause);
    },
  );
  const moved = await session.run({ ...feeds });
  const own = Object.entries(moved).map(
    ([name, tensor]) => [name.replace(/\.resident$/, ''), tensor] as const,
  );
  return {
    feeds: Object.fromEntries(own),
    // The buffers belong to the session that made them: releasing it first aborts the process.
    release: async () => {
      for (const [, tensor] of own) tensor.dispose();
      await session.release();
    },
  };
}
