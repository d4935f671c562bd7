import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AuditError } from '../errors.ts';
import { writeFileAtomic, writeFolderAtomic } from '../files.ts';
import { sha256File, sha256Json } from '../hash.ts';
import { decode, type Stored } from '../onnx/stored.ts';
import { elementCount } from '../onnx/tensor.ts';
import { withNormalFloats } from './bitsandbytes.ts';
import type { DecoderConfig } from './config.ts';
import { decoderTensorShapes } from './layer-tensors.ts';
import {
  type ModelSource,
  modelFolder,
  readModelJson,
  type TensorEntry,
  type TensorFile,
} from './model-folder.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorData,
  type TensorDtype,
  writeSafetensors,
} from './safetensors.ts';

export { decoderTensorShapes, openSafetensors, type TensorData, writeSafetensors };

/** The weights of a model directory: checked against its config, read tensor by tensor. */
export interface Checkpoint {
  /** Of the tensors the model needs; a file may hold more. */
  readonly names: readonly string[];
  info(name: string): TensorEntry;
  /** As it is stored. */
  readStored(name: string): Stored;
  /** Converted to float32, row-major. */
  read(name: string): Float32Array;
  /** Over all weight files, in hex: the base model's identity. */
  sha256(): Promise<string>;
  close(): void;
}

/**
 * Opens the weights of a Hugging Face directory, one file or several with an index.
 * @throws AuditError `model` listing every missing, superfluous or misshapen tensor.
 */
export function openCheckpoint(source: ModelSource, config: DecoderConfig): Checkpoint {
  const folder = modelFolder(source);
  const directory = folder.path;
  const files: TensorFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    if (folder.openWeights) files.push(...folder.openWeights());
    else {
      const parts: SafetensorsFile[] = [];
      for (const name of weightFiles(directory)) {
        parts.push(openSafetensors(join(directory, name)));
        files.splice(0, files.length, ...parts); // closed with the rest where a later one is damaged
      }
      files.splice(0, files.length, ...withNormalFloats(parts));
    }
    const shapes = decoderTensorShapes(config);
    const owner = checkTensors(source, config, files);
    const find = (name: string) => {
      const file = owner.get(name);
      if (!file) throw new Error(`internal: no tensor ${name} in ${directory}`);
      return file;
    };
    return {
      names: [...shapes.keys()],
      info: (name) => find(name).tensors.get(name)!,
      readStored: (name) => find(name).readStored(name),
      read: (name) => decode(find(name).readStored(name), 0, elementCount(shapes.get(name)!)),
      sha256: () => hashFiles([...new Set(files.map((file) => file.path))]),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function hashFiles(paths: readonly string[]): Promise<string> {
  const hashes: Record<string, string> = {};
  for (const path of paths) hashes[basename(path)] = await sha256File(path);
  return paths.length === 1 ? Object.values(hashes)[0]! : sha256Json(hashes);
}

/** The weight files' names; a single file wins over an index, as in transformers. */
function weightFiles(directory: string): string[] {
  const index = existsSync(join(directory, 'model.safetensors'))
    ? null
    : readModelJson(directory, 'model.safetensors.index.json');
  if (!index) {
    if (existsSync(join(directory, 'model.safetensors'))) return ['model.safetensors'];
    throw noWeights(directory);
  }
  const path = join(directory, 'model.safetensors.index.json');
  const map = index.weight_map;
  if (map === null || typeof map !== 'object' || Array.isArray(map))
    throw new AuditError('model', `${path}: no weight_map`);
  const names = [...new Set(Object.values(map) as unknown[])].sort();
  if (names.length === 0) throw new AuditError('model', `${path}: weight_map is empty`);
  const problems: string[] = [];
  for (const name of names) {
    if (typeof name !== 'string' || basename(name) !== name || !name.endsWith('.safetensors')) {
      problems.push(`${JSON.stringify(name)} is not the name of a safetensors file in the same folder`);
    } else if (!existsSync(join(directory, name))) problems.push(`${name}: no such file`);
  }
  if (problems.length > 0) {
    throw new AuditError(
      'model',
      `${path}: names ${problems.length} of ${names.length} weight files that cannot be read`,
      {
        problems,
        hint: 'the model may be half-downloaded: fetch it again',
      },
    );
  }
  return names as string[];
}

function noWeights(directory: string): AuditError {
  const others = readdirSync(directory);
  const found = (pattern: RegExp) => others.find((name) => pattern.test(name));
  const wayOut = () => {
    if (found(/\.(incomplete|part)$/)) return 'the download was not finished: fetch the model again';
    const gguf = found(/\.gguf$/);
    if (gguf) return `name the file itself: ${join(directory, gguf)}`;
    const other = found(/\.(bin|pth?|onnx)$/);
    if (other)
      return `only safetensors weights are read: convert ${other} with transformers' save_pretrained`;
    return 'name a folder that holds model.safetensors, or its parts with model.safetensors.index.json';
  };
  return new AuditError('model', `${directory}: no model.safetensors`, { hint: wayOut() });
}

/** Buffers that older exporters saved and nobody reads. */
const ignored = /(^|\.)rotary_emb\.inv_freq$/;

/** Which file holds which tensor, once all are as the config implies. */
function checkTensors(
  source: ModelSource,
  config: DecoderConfig,
  files: readonly TensorFile[],
): ReadonlyMap<string, TensorFile> {
  const expected = decoderTensorShapes(config);
  const declared = declaredDtype(source);
  const owner = new Map<string, TensorFile>();
  const problems: string[] = [];
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      if (owner.has(name)) problems.push(`${name}: in two files`);
      owner.set(name, file);
    }
  }
  for (const [name, shape] of expected) {
    const found = owner.get(name)?.tensors.get(name);
    if (!found) problems.push(`${name}: missing`);
    else if (found.dtype === 'U8') problems.push(`${name}: bytes without the state of a known quantisation`);
    else if (!sameShape(found.shape, shape)) {
      problems.push(`${name}: shape [${found.shape.join(', ')}], config.json implies [${shape.join(', ')}]`);
    } else if (declared && shape.length === 2 && found.dtype in dtypeNames && found.dtype !== declared) {
      // Vectors may be wider: many exporters keep the norms in F32.
      problems.push(`${name}: dtype ${found.dtype}, config.json says ${dtypeNames[declared]}`);
    }
  }
  for (const name of owner.keys()) {
    const spare = ignored.test(name) || (config.tiedEmbeddings && name === 'lm_head.weight');
    if (!expected.has(name) && !spare)
      problems.push(`${name}: no place for it in the model that config.json describes`);
  }
  if (config.tiedEmbeddings && problems.length === 0) refuseOwnHead(source, owner);
  if (problems.length > 0) {
    throw new AuditError(
      'model',
      `${modelFolder(source).path}: the weights do not match config.json (${problems.length} tensors)`,
      {
        problems,
        hint: 'config.json and the weights must come from the same checkpoint: fetch both again',
      },
    );
  }
  return owner;
}

/** A fine-tune may have trained the head alone and left the config as it was: transformers 5 does not tie it then. */
function refuseOwnHead(source: ModelSource, owner: ReadonlyMap<string, TensorFile>): void {
  const [head, embedding] = ['lm_head.weight', 'model.embed_tokens.weight'].map((name) => {
    const stored = owner.get(name)?.readStored(name);
    if (!stored) return null;
    const values = stored instanceof Float32Array ? stored : 'data' in stored ? stored.data : stored.codes;
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  });
  if (!head || !embedding || head.equals(embedding)) return;
  throw new AuditError('unsupported', `${modelFolder(source).path}: lm_head.weight is not the embedding`, {
    problems: ['config.json says tie_word_embeddings: true, the weights have a head of their own'],
    hint: 'set tie_word_embeddings to false in config.json',
  });
}

const dtypeNames = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/** The format of the weights by config.json; null where it names none that is read here. */
function declaredDtype(source: ModelSource): keyof typeof dtypeNames | null {
  const { dtype, torch_dtype: older } = readModelJson(source, 'config.json') ?? {};
  const named = dtype ?? older;
  return (['F32', 'F16', 'BF16'] as const).find((name) => dtypeNames[name] === named) ?? null;
}

const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/**
 * Writes config.json, generation_config.json and model.safetensors, whole or not at all; tokenizer files are
 * written into the folder by `fill`. The directory loads unchanged in transformers.
 */
export function writeCheckpoint(
  directory: string,
  config: DecoderConfig,
  weights: ReadonlyMap<string, TensorData>,
  options: { readonly dtype?: TensorDtype; readonly fill?: (temporary: string) => void } = {},
): void {
  const dtype = options.dtype ?? 'F32';
  for (const [name, shape] of decoderTensorShapes(config)) {
    const tensor = weights.get(name);
    if (!tensor || !sameShape(tensor.shape, shape))
      throw new Error(`internal: ${name} is missing or not of shape [${shape.join(', ')}]`);
  }
  writeFolderAtomic(directory, (temporary) => {
    writeJson(join(temporary, 'config.json'), llamaConfig(config, dtype));
    writeJson(join(temporary, 'generation_config.json'), {
      bos_token_id: config.bosTokenId,
      eos_token_id: eosTokenId(config),
    });
    writeSafetensors(join(temporary, 'model.safetensors'), weights, { dtype });
    options.fill?.(temporary);
  });
}

const writeJson = (path: string, value: unknown) =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

const eosTokenId = (config: DecoderConfig) =>
  config.eosTokenIds.length > 1 ? config.eosTokenIds : (config.eosTokenIds[0] ?? null);

/** Both spellings of the rope base and the dtype: transformers 5 reads the second of each, older ones the first. */
function llamaConfig(config: DecoderConfig, dtype: TensorDtype): object {
  const torchDtype = dtypeNames[dtype];
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headSize,
    hidden_act: 'silu',
    rms_norm_eps: config.rmsNormEpsilon,
    max_position_embeddings: config.contextLength,
    rope_theta: config.ropeTheta,
    rope_parameters: { rope_theta: config.ropeTheta, rope_type: 'default' },
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: config.tiedEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosTokenId(config),
    torch_dtype: torchDtype,
    dtype: torchDtype,
    use_cache: true,
  };
}
