import { type Feed, feed, type Tensor } from '../onnx/session.ts';
import type { LoraShape } from './attention-graph.ts';
import type { DecoderConfig } from './config.ts';
import { loraInput, matrixShapes } from './layer-tensors.ts';
import type { LoraAdapter } from './lora.ts';

/** A LoRA adapter whose matrices are wrapped for feeding; the arrays stay those of the adapter. */
export interface AttachedAdapter {
  readonly layers: readonly AttachedLayer[];
}

interface AttachedLayer {
  readonly shape: LoraShape;
  /** Equal for layers that share sessions. */
  readonly key: string;
  readonly feeds: Readonly<Record<string, Feed>>;
  /** Where the shape has dropout: the masks of the layer over T tokens, [T, in] by input name, the same at every call. */
  readonly dropout?: (tokens: number) => Readonly<Record<string, Tensor>>;
}

/** Wraps an adapter's matrices: nothing is copied, so that training is seen at once. */
export async function attach(config: DecoderConfig, adapter: LoraAdapter): Promise<AttachedAdapter> {
  const shapes = matrixShapes(config);
  const layers = adapter.layers.map(async (pairs) => {
    const feeds: Record<string, Feed> = {};
    for (const [matrix, { r, a, b }] of pairs) {
      const [rows, columns] = shapes.get(matrix)!;
      feeds[loraInput(matrix, 'a')] = await feed({ data: a, shape: [r, columns] });
      feeds[loraInput(matrix, 'b')] = await feed({ data: b, shape: [rows, r] });
    }
    const shape: LoraShape = new Map([...pairs].map(([matrix, { r, scale }]) => [matrix, { r, scale }]));
    return {
      shape,
      key: [...shape].map(([matrix, { r, scale }]) => `${matrix}:${r}:${scale}`).join(),
      feeds,
    };
  });
  return { layers: await Promise.all(layers) };
}
