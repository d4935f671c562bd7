import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder, type Decoder } from '../../src/lm/decoder.ts';

export const parity = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));
export const wren = fileURLToPath(new URL('../../models/wren/', import.meta.url));

/** A checkpoint's decoder on one thread, its weights in float32 or as they are stored. */
export async function openDecoder(
  directory: string,
  { stored = false, fast = false }: { stored?: boolean; fast?: boolean } = {},
): Promise<Decoder> {
  const config = readDecoderConfig(directory);
  const checkpoint = openCheckpoint(directory, config);
  const read = stored ? checkpoint.readStored : checkpoint.read;
  const weights = new Map(checkpoint.names.map((name) => [name, read(name)]));
  checkpoint.close();
  return createDecoder(config, weights, 1, 'cpu', fast);
}

/** A decoder that notes what its layers were asked: rows × new tokens, and the attention scores of one call. */
export function watch(decoder: Decoder) {
  const seen = { tokens: 0, calls: 0, largestScores: 0 };
  const watched: Decoder = {
    ...decoder,
    layer(index, x, batch, adapter, past) {
      if (index === 0) {
        seen.calls++;
        seen.tokens += batch.rows * batch.length;
      }
      const scores = batch.rows * decoder.config.heads * batch.length * (batch.length + (past?.length ?? 0));
      seen.largestScores = Math.max(seen.largestScores, scores);
      return decoder.layer(index, x, batch, adapter, past);
    },
  };
  return { watched, seen };
}
