import { type Device, type Feed, feed, feedStored, type Resident, resident } from '../onnx/session.ts';
import { decode, formatOf, type Stored } from '../onnx/stored.ts';
import { elementCount } from '../onnx/tensor.ts';
import type { Formats } from './attention-graph.ts';
import type { DecoderConfig } from './config.ts';
import { decoderTensorShapes, layerTensors, weightName } from './layer-tensors.ts';

/** Weights by their Hugging Face names. */
export type Weights = ReadonlyMap<string, Stored>;

const headName = (config: DecoderConfig) =>
  config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';

const decodedNorm = (config: DecoderConfig, stored: Stored, size: number): Float32Array => {
  const values = decode(stored, 0, size);
  const { normOffset } = config.architecture;
  return normOffset === 0 ? values : values.map((value) => value + normOffset);
};

/** One layer's weights, wrapped, with the formats of those that the graph decodes. */
export interface LayerWeights {
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly formats: Formats;
  /** Equal for layers that share sessions. */
  readonly key: string;
}

/** The weights of a decoder, wrapped for feeding; norms and biases as float32, the rest as stored. */
export async function wrapWeights(config: DecoderConfig, weights: Weights, device: Device) {
  const shapes = decoderTensorShapes(config);
  const weight = (name: string): Stored => {
    const data = weights.get(name);
    if (!data) throw new Error(`internal: weight ${name} is not loaded`);
    // WebGPU has no kernels for the formats that graphs decode.
    return device === 'cpu' ? data : decode(data, 0, elementCount(shapes.get(name)!));
  };
  const residents: Resident[] = [];
  const keep = async (feeds: Record<string, Feed>) => {
    const moved = await resident(feeds, device);
    residents.push(moved);
    return moved.feeds;
  };
  const layers: LayerWeights[] = [];
  for (let index = 0; index < config.layers; index++) {
    const feeds: Record<string, Feed> = {};
    const formats = new Map<string, string>();
    for (const { input, shape, kind } of layerTensors(config)) {
      const stored = weight(weightName(index, input));
      if (kind === 'matrix') {
        Object.assign(feeds, await feedStored(input, stored, shape));
        formats.set(input, formatOf(stored));
      } else {
        const size = shape[0]!;
        const data = kind === 'norm' ? decodedNorm(config, stored, size) : decode(stored, 0, size);
        feeds[input] = await feed({ data, shape });
      }
    }
    const key = [...new Set(formats.values())].length === 1 ? [...formats.values()][0]! : [...formats].join();
    layers.push({ feeds: await keep(feeds), formats, key });
  }
  const { vocabularySize, hiddenSize } = config;
  const output = weight(headName(config));
  const norm = decodedNorm(config, weight('model.norm.weight'), hiddenSize);
  const head = {
    'norm.weight': await feed({ data: norm, shape: [hiddenSize] }),
    ...(await feedStored('head.weight', output, [vocabularySize, hiddenSize])),
  };
  return {
    layers,
    head: await keep(head),
    headFormat: formatOf(output),
    embedding: weights.get('model.embed_tokens.weight')!,
    release: async () => {
      for (const moved of residents) await moved.release();
    },
  };
}

/** The parts of quantised weights that a session of its own can take in; undefined where there are none. */
export function blocksOf(feeds: Readonly<Record<string, Feed>>): Record<string, Feed> | undefined {
  const parts = Object.entries(feeds).filter(([name]) => /\.(codes|scales|zeros)$/.test(name));
  const quantised = parts.filter(([name]) => feeds[name.replace(/\.\w+$/, '.scales')]);
  return quantised.length > 0 ? Object.fromEntries(quantised) : undefined;
}
