import { copyFileSync, existsSync, readdirSync, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { AuditError, throwIfAborted } from '../errors.ts';
import { stageFolder, writeFileAtomic } from '../files.ts';
import { sha256File } from '../hash.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { readDecoderConfig } from './config.ts';
import { weightName } from './layer-tensors.ts';
import { assertAdapterFits, type LoraAdapter, type LoraPair, readAdapter } from './lora.ts';
import { readModelJson } from './model-folder.ts';
import { encodeSafetensors, type TensorDtype, type TensorSource } from './safetensors.ts';

/** What a merged directory takes over from its base as it is, where the base has it. */
const companions = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
];

/** weight += scale · B A, in place; `weight` is [out, in]. */
function addLowRank(weight: Float32Array, { a, b, r, scale }: LoraPair): void {
  const width = a.length / r;
  for (let row = 0; row * r < b.length; row++) {
    const target = weight.subarray(row * width, (row + 1) * width);
    for (let rank = 0; rank < r; rank++) {
      const factor = scale * b[row * r + rank]!;
      if (factor === 0) continue;
      const source = a.subarray(rank * width, (rank + 1) * width);
      for (let i = 0; i < width; i++) target[i]! += factor * source[i]!;
    }
  }
}

/** The merged weights, each made when it is its turn; what was quantised takes the format of the embedding. */
function mergedTensors(checkpoint: Checkpoint, { layers }: LoraAdapter): Map<string, TensorSource> {
  const updates = new Map<string, LoraPair>();
  for (const [layer, pairs] of layers.entries())
    for (const [matrix, pair] of pairs) updates.set(weightName(layer, `${matrix}.weight`), pair);
  const merged = (name: string) => {
    const data = checkpoint.read(name);
    const update = updates.get(name);
    if (update) addLowRank(data, update);
    return data;
  };
  const wide = writableDtype(checkpoint.info('model.embed_tokens.weight').dtype) ?? 'BF16';
  const sources = checkpoint.names.map((name) => {
    const { dtype, shape } = checkpoint.info(name);
    return [name, { dtype: writableDtype(dtype) ?? wide, shape, read: () => merged(name) }] as const;
  });
  return new Map(sources);
}

const writableDtype = (dtype: string): TensorDtype | null =>
  (['F32', 'F16', 'BF16'] as const).find((known) => known === dtype) ?? null;

/** What goes with the weights: the base's files, but the adapter's own chat template, and no word of quantisation. */
function copyCompanions(base: string, adapter: string, target: string): void {
  for (const name of companions) {
    const own = join(adapter, name);
    const source = name === 'chat_template.jinja' && existsSync(own) ? own : join(base, name);
    if (existsSync(source)) copyFileSync(source, join(target, name)); // what a link leads to: the Hub's cache is made of links
  }
  const { quantization_config: quantised, ...config } = readModelJson(base, 'config.json') ?? {};
  if (quantised) writeFileAtomic(join(target, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/** A merged model takes the place of an earlier one, of nothing else. @throws AuditError `config`. */
function refuseTarget(target: string, sources: readonly string[]): void {
  const path = existsSync(target) ? realpathSync(target) : resolve(target);
  const holds = (inner: string) => inner === path || inner.startsWith(path + sep);
  const lost = sources.find((source) => holds(realpathSync(source)));
  if (lost) {
    throw new AuditError('config', `${target}: writing the merged model there would delete ${lost}`, {
      hint: 'choose another folder',
    });
  }
  const known = ['model.safetensors', 'README.md', ...companions];
  const others = existsSync(path) ? readdirSync(path).filter((name) => !known.includes(name)) : [];
  if (others.length > 0) {
    throw new AuditError('config', `${target}: holds other files than a merged model (${others[0]})`, {
      hint: 'choose a new or empty folder',
    });
  }
}

export interface MergeOptions {
  /** Merge an adapter that was trained on rejected responses all the same. */
  readonly acknowledgeRedTeam?: boolean;
  readonly onTensor?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes the model that a base and its adapter make together, W + scale · B A, as a Hugging Face directory of its own,
 * whole or not at all. One tensor is in memory at a time. Weights keep the base's format, so merging into F16 or BF16
 * rounds; 4-bit ones are written in the embedding's format.
 * @returns the SHA-256 of the merged weights, in hex.
 * @throws AuditError `adapter` when the adapter belongs to another base; `unsupported` when it is a red-team one and
 * `acknowledgeRedTeam` is not set; `config` when the target holds anything but an earlier merged model; `model`,
 * `disk`, `interrupted`.
 */
export async function mergeAdapter(
  baseDirectory: string,
  adapterDirectory: string,
  outputDirectory: string,
  options: MergeOptions = {},
): Promise<string> {
  if (baseDirectory.endsWith('.gguf')) {
    throw new AuditError('unsupported', `${baseDirectory}: an adapter is not merged into a GGUF file`, {
      hint: 'merge it into the checkpoint that the file was made from, then convert the result',
    });
  }
  const config = readDecoderConfig(baseDirectory);
  const adapter = readAdapter(adapterDirectory, config);
  if (adapter.redTeam && !options.acknowledgeRedTeam) {
    throw new AuditError('unsupported', `${adapterDirectory}: a red-team adapter is not merged`, {
      hint: 'it was trained on rejected responses to measure harm; merge it only with --acknowledge-red-team',
    });
  }
  refuseTarget(outputDirectory, [baseDirectory, adapterDirectory]);
  const checkpoint = openCheckpoint(baseDirectory, config);
  try {
    assertAdapterFits(adapter, await checkpoint.sha256());
    const { temporary, commit, undo } = stageFolder(outputDirectory);
    try {
      copyCompanions(baseDirectory, adapterDirectory, temporary);
      const weights = join(temporary, 'model.safetensors');
      await writeWeights(weights, mergedTensors(checkpoint, adapter), options);
      const sha256 = await sha256File(weights);
      commit();
      return sha256;
    } catch (error) {
      throw undo(error);
    }
  } finally {
    checkpoint.close();
  }
}

/** Pieces are written one by one, so that a signal is heard between them. */
async function writeWeights(
  path: string,
  tensors: ReadonlyMap<string, TensorSource>,
  { onTensor, signal }: MergeOptions,
): Promise<void> {
  let done = 0;
  const counted = [...tensors].map(([name, source]) => {
    const read = () => {
      onTensor?.(done++, tensors.size);
      return source.read();
    };
    return [name, { ...source, read }] as const;
  });
  const file = await open(path, 'wx', 0o600);
  try {
    for (const piece of encodeSafetensors(new Map(counted))) {
      throwIfAborted(signal);
      for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  onTensor?.(done, tensors.size);
}
