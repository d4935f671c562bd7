import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder, type Decoder } from '../../src/lm/decoder.ts';

export const parityFolder = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));

/** The tiny random Llama of the parity fixtures, on one thread. */
export function tinyDecoder(): Promise<Decoder> {
  const directory = `${parityFolder}tied`;
  const config = readDecoderConfig(directory);
  const checkpoint = openCheckpoint(directory, config);
  const weights = new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)]));
  checkpoint.close();
  return createDecoder(config, weights, 1);
}
