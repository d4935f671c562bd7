import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';

/** Llama 3.1's way of stretching rotary positions beyond the context it was first trained on. */
export interface RopeScaling {
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  readonly highFrequencyFactor: number;
  readonly originalContextLength: number;
}

/** The shape of a Llama decoder, in Hugging Face's words. */
export interface DecoderConfig {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  /** Even; `heads` × `headSize` need not be `hiddenSize`. */
  readonly headSize: number;
  readonly intermediateSize: number;
  /** Rows of the embedding; the tokenizer may use fewer. */
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  /** Left out: positions are not stretched. */
  readonly ropeScaling?: RopeScaling;
  /** Most positions the model was made for. */
  readonly contextLength: number;
  /** The output projection is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** From generation_config.json where it names any, else config.json. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | null;
}

const positive = z.int().positive();
const tokenIds = z.union([z.int().min(0), z.array(z.int().min(0))]).nullish();
const rope = z.looseObject({
  rope_theta: z.number().positive().optional(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
});

const llama3Scaling = z.looseObject({
  factor: z.number().min(1),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: positive,
});

const shapeSchema = z.looseObject({
  vocab_size: positive,
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: positive,
  num_attention_heads: positive,
  num_key_value_heads: positive.nullish(),
  head_dim: positive.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_parameters: rope.nullish(),
  max_position_embeddings: positive.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: z.int().min(0).nullish(),
  eos_token_id: tokenIds,
});

/**
 * Reads and checks config.json (and generation_config.json) of a Hugging Face directory. Values left out
 * are those of transformers' LlamaConfig, except token ids, which are never guessed.
 * @throws AuditError `model` when a file is missing or malformed, `unsupported` when it is another kind of model.
 */
export function readDecoderConfig(directory: string): DecoderConfig {
  const path = join(directory, 'config.json');
  const raw = readModelJson(directory, 'config.json');
  if (!raw)
    throw new AuditError('model', `${path}: no such file`, {
      hint: 'name a folder in Hugging Face format: config.json, model.safetensors, tokenizer.json',
    });
  refuseUnsupported(path, raw);
  const parsed = shapeSchema.safeParse(raw);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new AuditError('model', `${path}: ${problems.length} wrong values`, {
      problems,
      hint: 'download config.json of the checkpoint again',
    });
  }
  const { data } = parsed;
  const heads = data.num_attention_heads;
  const config: DecoderConfig = {
    hiddenSize: data.hidden_size,
    layers: data.num_hidden_layers,
    heads,
    kvHeads: data.num_key_value_heads ?? heads,
    headSize: data.head_dim ?? data.hidden_size / heads,
    intermediateSize: data.intermediate_size,
    vocabularySize: data.vocab_size,
    rmsNormEpsilon: data.rms_norm_eps,
    ropeTheta: data.rope_parameters?.rope_theta ?? data.rope_theta ?? 10_000,
    ...readRopeScaling(path, raw),
    contextLength: data.max_position_embeddings,
    tiedEmbeddings: data.tie_word_embeddings,
    eosTokenIds: readEosTokenIds(directory),
    bosTokenId: data.bos_token_id ?? null,
  };
  refuseInconsistent(path, config);
  return config;
}

const ropeTypeOf = (value: z.output<typeof rope> | null | undefined) =>
  value?.rope_type ?? value?.type ?? 'default';

/** `rope_scaling`, or `rope_parameters` as transformers writes it since its version 5. */
function readRopeScaling(path: string, raw: Record<string, unknown>): { ropeScaling?: RopeScaling } {
  const key = (['rope_scaling', 'rope_parameters'] as const).find(
    (name) => ropeTypeOf(rope.nullish().parse(raw[name])) === 'llama3',
  );
  if (!key) return {};
  const parsed = llama3Scaling.safeParse(raw[key]);
  if (!parsed.success) {
    throw new AuditError('model', `${path}: ${key} of type llama3 is wrong`, {
      problems: parsed.error.issues.map((issue) => `${key}.${issue.path.join('.')}: ${issue.message}`),
      hint: 'download config.json of the checkpoint again',
    });
  }
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = parsed.data;
  return {
    ropeScaling: {
      factor,
      lowFrequencyFactor: low_freq_factor,
      highFrequencyFactor: high_freq_factor,
      originalContextLength: original_max_position_embeddings,
    },
  };
}

/** The end-of-turn token ids a checkpoint declares: generation_config.json's, else config.json's, else none. */
export function readEosTokenIds(directory: string): number[] {
  for (const name of ['generation_config.json', 'config.json']) {
    const parsed = tokenIds.safeParse(readModelJson(directory, name)?.eos_token_id);
    if (!parsed.success)
      throw new AuditError(
        'model',
        `${join(directory, name)}: eos_token_id is neither a token id nor a list of them`,
      );
    if (parsed.data !== null && parsed.data !== undefined) return [parsed.data].flat();
  }
  return [];
}

/**
 * Reads a JSON object of a model directory, or null when there is no such file.
 * @throws AuditError `model` when the directory is missing or the file is not a JSON object.
 */
export function readModelJson(directory: string, name: string): Record<string, unknown> | null {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    throw new AuditError('model', `${directory}: no such model folder`, {
      hint: 'name a local folder in Hugging Face format; nothing is downloaded by itself',
    });
  }
  const path = join(directory, name);
  if (!existsSync(path)) return null;
  let value: unknown;
  try {
    value = JSON.parse(readText(path, 'model', name));
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw new AuditError('model', `${path}: not JSON: ${(error as Error).message}`, {
      hint: 'the file may be half-downloaded: fetch it again',
    });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new AuditError('model', `${path}: expected a JSON object`);
  return value as Record<string, unknown>;
}

/** Names everything this engine would compute wrongly, before anything is loaded. */
function refuseUnsupported(path: string, raw: Record<string, unknown>): void {
  const problems: string[] = [];
  const architectures = Array.isArray(raw.architectures) ? raw.architectures : [];
  const type = raw.model_type ?? (architectures.includes('LlamaForCausalLM') ? 'llama' : 'none given');
  if (type !== 'llama') problems.push(`model_type: ${show(type)}; supported: llama`);
  if (architectures.length > 0 && !architectures.includes('LlamaForCausalLM'))
    problems.push(`architectures: ${show(architectures)}; supported: LlamaForCausalLM`);
  for (const key of ['rope_scaling', 'rope_parameters'] as const) {
    const value = rope.nullish().safeParse(raw[key]);
    const kind = value.success ? ropeTypeOf(value.data) : show(raw[key]);
    if (!['default', 'llama3'].includes(kind))
      problems.push(`${key}: rope_type ${kind}; supported: default, llama3`);
  }
  for (const key of ['attention_bias', 'mlp_bias', 'rope_interleaved']) {
    if (raw[key]) problems.push(`${key}: ${show(raw[key])}; supported: false`);
  }
  if ((raw.hidden_act ?? 'silu') !== 'silu')
    problems.push(`hidden_act: ${show(raw.hidden_act)}; supported: silu`);
  if ((raw.partial_rotary_factor ?? 1) !== 1)
    problems.push(`partial_rotary_factor: ${show(raw.partial_rotary_factor)}; supported: 1`);
  if (raw.quantization_config) {
    const method = (raw.quantization_config as { quant_method?: unknown }).quant_method ?? 'unknown';
    problems.push(`quantization_config: ${show(method)}; supported: weights in F32, F16 or BF16`);
  }
  if (problems.length > 0) {
    throw new AuditError('unsupported', `${path}: this model is not supported`, {
      problems,
      hint: 'choose a plain Llama-family checkpoint (LlamaForCausalLM)',
    });
  }
}

function refuseInconsistent(path: string, config: DecoderConfig): void {
  const problems: string[] = [];
  if (!Number.isInteger(config.headSize))
    problems.push(
      `hidden_size does not divide by num_attention_heads (${config.heads}), and there is no head_dim`,
    );
  else if (config.headSize % 2 !== 0) problems.push(`head_dim: ${config.headSize} is odd`);
  if (config.heads % config.kvHeads !== 0)
    problems.push(
      `num_attention_heads (${config.heads}) does not divide by num_key_value_heads (${config.kvHeads})`,
    );
  for (const id of [...config.eosTokenIds, ...(config.bosTokenId === null ? [] : [config.bosTokenId])]) {
    if (id >= config.vocabularySize)
      problems.push(`token id ${id} is outside the vocabulary of ${config.vocabularySize}`);
  }
  if (problems.length > 0)
    throw new AuditError('model', `${path}: contradicts itself`, {
      problems,
      hint: 'download config.json of the checkpoint again',
    });
}

const show = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
