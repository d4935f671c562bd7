import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { type Architecture, architectureOf, families, unsupportedTraits } from './architecture.ts';
import { type ModelSource, modelFolder, readModelJson } from './model-folder.ts';
import { type RopeScaling, readRope, unsupportedRope } from './rope-config.ts';

export type { RopeScaling };

/** The shape of a decoder, in Hugging Face's words. */
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
  /** What it does otherwise than Llama. */
  readonly architecture: Architecture;
  /** From generation_config.json where it names any, else config.json. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | null;
}

const positive = z.int().positive();
/** No model is ten times as deep; every layer is looked for by name. */
const depth = positive.max(4096);
const tokenIds = z.union([z.int().min(0), z.array(z.int().min(0))]).nullish();
const shapeSchema = z.looseObject({
  vocab_size: positive,
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: depth,
  num_attention_heads: positive,
  num_key_value_heads: positive.nullish(),
  head_dim: positive.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  max_position_embeddings: positive.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: z.int().min(0).nullish(),
  eos_token_id: tokenIds,
});

/**
 * Reads and checks config.json (and generation_config.json) of a model. Values left out are those of transformers'
 * config class of that family, except token ids, which are never guessed.
 * @throws AuditError `model` when a file is missing or malformed, `unsupported` when it is another kind of model.
 */
export function readDecoderConfig(source: ModelSource): DecoderConfig {
  const path = join(modelFolder(source).path, 'config.json');
  const own = readModelJson(source, 'config.json');
  if (!own)
    throw new AuditError('model', `${path}: no such file`, {
      hint: 'name a folder in Hugging Face format: config.json, model.safetensors, tokenizer.json',
    });
  const modelType = supportedType(path, own);
  const raw = { ...families[modelType]!.defaults, ...own };
  refuseUnsupported(path, modelType, raw);
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
    contextLength: data.max_position_embeddings,
    ...readRope(path, raw),
    tiedEmbeddings: data.tie_word_embeddings,
    architecture: architectureOf(modelType, raw),
    eosTokenIds: readEosTokenIds(source),
    bosTokenId: data.bos_token_id ?? null,
  };
  refuseInconsistent(path, config);
  return config;
}

/** The end-of-turn token ids a checkpoint declares: generation_config.json's, else config.json's, else none. */
export function readEosTokenIds(source: ModelSource): number[] {
  for (const name of ['generation_config.json', 'config.json']) {
    const parsed = tokenIds.safeParse(readModelJson(source, name)?.eos_token_id);
    if (!parsed.success)
      throw new AuditError(
        'model',
        `${join(modelFolder(source).path, name)}: eos_token_id is neither a token id nor a list of them`,
      );
    if (parsed.data !== null && parsed.data !== undefined) return [parsed.data].flat();
  }
  return [];
}

const supported = Object.keys(families).join(', ');

/** The `model_type`, or what `architectures` implies where it is missing. */
function supportedType(path: string, raw: Record<string, unknown>): string {
  const classes: unknown[] = Array.isArray(raw.architectures) ? raw.architectures : [];
  const implied = Object.keys(families).find((type) => classes.includes(families[type]!.className));
  const type = raw.model_type ?? implied;
  const problems: string[] = [];
  if (typeof type !== 'string' || !Object.hasOwn(families, type))
    problems.push(`model_type: ${type === undefined ? 'none given' : show(type)}; supported: ${supported}`);
  else if (classes.length > 0 && !classes.includes(families[type]!.className))
    problems.push(`architectures: ${show(classes)}; supported: ${families[type]!.className}`);
  if (problems.length > 0) throw unsupported(path, problems);
  return type as string;
}

function unsupported(path: string, problems: string[]): AuditError {
  return new AuditError('unsupported', `${path}: this model is not supported`, {
    problems,
    hint: `choose a text-only decoder of one of these families: ${supported}`,
  });
}

/** Names everything this engine would compute wrongly, before anything is loaded. */
function refuseUnsupported(path: string, modelType: string, raw: Record<string, unknown>): void {
  const problems = [...unsupportedTraits(modelType, raw), ...unsupportedRope(raw)];
  if (raw.quantization_config) problems.push(...unsupportedQuantisation(raw.quantization_config));
  if (problems.length > 0) throw unsupported(path, problems);
}

/** bitsandbytes' NF4 alone, as `unsloth/*-bnb-4bit` and QLoRA use it. */
function unsupportedQuantisation(value: unknown): string[] {
  const settings = value as Record<string, unknown>;
  const method = settings.quant_method ?? 'unknown';
  const fourBits = settings.load_in_4bit === true || settings._load_in_4bit === true;
  if (method === 'bitsandbytes' && fourBits && (settings.bnb_4bit_quant_type ?? 'fp4') === 'nf4') return [];
  const what =
    method === 'bitsandbytes'
      ? `bitsandbytes ${fourBits ? show(settings.bnb_4bit_quant_type ?? 'fp4') : '8-bit'}`
      : show(method);
  return [`quantization_config: ${what}; supported: none, or bitsandbytes nf4 in 4 bits`];
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
  const scaling = config.ropeScaling;
  if (scaling?.type === 'longrope' && scaling.factors.length * 2 !== config.headSize)
    problems.push(`short_factor: ${scaling.factors.length} factors for heads of size ${config.headSize}`);
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
