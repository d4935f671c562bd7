import { AuditError } from '../errors.ts';
import type { GgufFile } from './gguf-file.ts';
import { readGgufVector } from './gguf-tensors.ts';

/** How positions turn queries and keys, from the metadata and tables of a GGUF file. */

type Json = Record<string, unknown>;

/** The file seen by one architecture: its keys without their prefix. */
export interface Reader {
  readonly file: GgufFile;
  positive(key: string): number;
  number(key: string): number | null;
  text(key: string): string | null;
}

export const headSize = (read: Reader) =>
  read.number('attention.key_length') ??
  read.positive('embedding_length') / read.positive('attention.head_count');

/** `rope_parameters` as transformers 5 writes them. */
export function ropeOf(read: Reader, usualTheta = 10_000): Json {
  const theta = read.number('rope.freq_base') ?? usualTheta;
  const vector = (name: string) => {
    const tensor = read.file.tensors.get(name);
    if (!tensor) return null;
    const pairs = (read.number('rope.dimension_count') ?? headSize(read)) / 2;
    if (tensor.shape.length === 1 && tensor.shape[0] === pairs) return readGgufVector(tensor);
    throw new AuditError('model', `${read.file.path}: ${name} has the shape [${tensor.shape.join(', ')}]`, {
      hint: `one value for each pair of dimensions that is turned, ${pairs}, is expected`,
    });
  };
  const factors = vector('rope_freqs.weight');
  if (factors?.some((factor) => factor !== 1)) return llama3Rope(read, theta, factors);
  const original = read.number('rope.scaling.original_context_length');
  const [long, short] = [vector('rope_factors_long.weight'), vector('rope_factors_short.weight')];
  if (long && short)
    return {
      rope_type: 'longrope',
      rope_theta: theta,
      long_factor: [...long],
      short_factor: [...short],
      ...(original ? { original_max_position_embeddings: original } : {}),
      ...(read.number('rope.scaling.attn_factor')
        ? { attention_factor: read.number('rope.scaling.attn_factor') }
        : {}),
    };
  const type = read.text('rope.scaling.type') ?? 'none';
  if (type === 'none') return { rope_type: 'default', rope_theta: theta };
  return {
    rope_type: type,
    rope_theta: theta,
    factor: read.number('rope.scaling.factor'),
    ...(original ? { original_max_position_embeddings: original } : {}),
  };
}

/**
 * Llama 3's stretching, of which a file holds the results alone: what each frequency is divided by. All published
 * models have a low factor of 1 and a high one of 4; the original context is the power of two that gives the results.
 */
function llama3Rope(read: Reader, theta: number, factors: Float32Array): Json {
  const factor = Number(Math.max(...factors).toPrecision(6));
  const turns = Array.from(factors, (_, i) => theta ** (-i / factors.length) / (2 * Math.PI));
  const divisor = (turn: number) => {
    const kept = Math.min(1, Math.max(0, (turn - 1) / 3));
    return 1 / ((1 - kept) / factor + kept);
  };
  for (let original = 2; original <= 1 << 24; original *= 2) {
    if (factors.every((value, i) => Math.abs(divisor(original * turns[i]!) / value - 1) < 1e-4))
      return {
        rope_type: 'llama3',
        rope_theta: theta,
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: original,
      };
  }
  throw new AuditError('unsupported', `${read.file.path}: rope_freqs.weight is not Llama 3's stretching`, {
    hint: 'choose a model whose positions are stretched as in Llama 3.1 or 3.2, or not at all',
  });
}
