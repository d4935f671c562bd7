import type { Tensor } from '../onnx/session.ts';
import { createRandom } from '../random.ts';
import type { DecoderConfig } from './config.ts';
import type { AttachedAdapter } from './decoder.ts';
import { dropoutInput, matrixShapes } from './layer-tensors.ts';

/**
 * 0 with probability `rate`, else 1 / (1 − rate), so that the mean stays (inverted dropout).
 * Gaps between zeros are drawn, as geometric numbers by inversion, since there are many more values than zeros.
 * Source: Srivastava et al. 2014; as torch.nn.Dropout.
 * @param rate in (0, 1).
 */
export function dropoutMask(
  length: number,
  rate: number,
  ...seed: readonly (string | number)[]
): Float32Array {
  const random = createRandom('dropout', ...seed);
  const gap = () => Math.floor(Math.log(1 - random.next()) / Math.log(1 - rate));
  const mask = new Float32Array(length).fill(1 / (1 - rate));
  for (let i = gap(); i < length; i += 1 + gap()) mask[i] = 0;
  return mask;
}

/**
 * An adapter whose A matrices see dropped-out inputs, each projection with a mask of its own, as PEFT.
 * The masks are a function of the seed, the layer and the projection: the backward pass makes those of the forward
 * pass again, and a resumed training those of the uninterrupted one.
 */
export function withDropout(
  adapter: AttachedAdapter,
  config: DecoderConfig,
  rate: number,
  ...seed: readonly (string | number)[]
): AttachedAdapter {
  if (rate === 0) return adapter;
  const shapes = matrixShapes(config);
  const layers = adapter.layers.map((layer, index) => ({
    ...layer,
    key: `${layer.key} dropout`,
    shape: new Map([...layer.shape].map(([matrix, term]) => [matrix, { ...term, dropout: true }])),
    dropout: (tokens: number): Record<string, Tensor> =>
      Object.fromEntries(
        [...layer.shape.keys()].map((matrix) => {
          const width = shapes.get(matrix)![1];
          const data = dropoutMask(tokens * width, rate, ...seed, index, matrix);
          return [dropoutInput(matrix), { data, shape: [tokens, width] }];
        }),
      ),
  }));
  return { layers };
}
