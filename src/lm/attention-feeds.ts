import { type Feed, feed, type Tensor } from '../onnx/session.ts';
import type { LayerKind } from './architecture.ts';
import { type Batch, masked } from './batch.ts';
import type { DecoderConfig } from './config.ts';
import type { Past } from './decoder.ts';
import { rotaryTables } from './rotary.ts';

/** What attention is fed besides weights: rotary tables and masks, by the kind of the layer. */

/** Rotary tables for as many positions as were asked for yet: whole contexts of 128k would take a second to fill. */
export function createRotary(config: DecoderConfig) {
  let known = new Map<LayerKind['rope'], Promise<Record<string, Feed>>>();
  let length = 0;
  return (rope: LayerKind['rope'], positions: number): Promise<Record<string, Feed>> => {
    if (positions > length) {
      length = Math.min(config.contextLength, Math.max(256, 2 ** Math.ceil(Math.log2(positions))));
      known = new Map();
    }
    const made = known.get(rope) ?? wrap(rope);
    known.set(rope, made);
    return made;
  };
  async function wrap(rope: LayerKind['rope']) {
    const { cosines, sines } = rotaryTables({ ...config, contextLength: length }, rope);
    const shape = [length, config.headSize / 2];
    return { cosines: await feed({ data: cosines, shape }), sines: await feed({ data: sines, shape }) };
  }
}

export function lastPosition({ positions }: Batch): number {
  let last = 0;
  for (const position of positions) last = Math.max(last, Number(position));
  return last;
}

/** The mask of a batch for layers that see `window` positions. */
export function attentionMask({ mask, length }: Batch, window: number | null): Tensor {
  const shape = [mask.length / length ** 2, 1, 1, length, length];
  if (window === null || length <= window) return { data: mask, shape };
  const own = mask.slice();
  for (let at = 0; at < own.length; at += length) {
    const query = (at / length) % length;
    own.fill(masked, at, at + Math.max(0, query - window + 1));
  }
  return { data: own, shape };
}

/** The same over a cache, whose j-th key is position j. */
export function windowedPast(
  { mask, length: past }: Past,
  batch: Batch,
  window: number | null,
): Float32Array {
  if (window === null || lastPosition(batch) < window) return mask;
  const own = mask.slice();
  for (const [row, position] of batch.positions.entries())
    own.fill(masked, row * past, row * past + Math.min(past, Math.max(0, Number(position) - window + 1)));
  return own;
}
