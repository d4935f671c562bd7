import { cpSync, existsSync, readdirSync, realpathSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { AuditError } from '../errors.ts';
import { writeFolderAtomic } from '../files.ts';
import { type Checkpoint, decoderTensorShapes, openCheckpoint } from './checkpoint.ts';
import { readDecoderConfig } from './config.ts';
import { weightName } from './layer-tensors.ts';
import { assertAdapterFits, type LoraAdapter, type LoraPair, readAdapter } from './lora.ts';
import { type TensorData, type TensorDtype, writeSafetensors } from './safetensors.ts';

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

function mergedTensors(
  checkpoint: Checkpoint,
  shapes: ReadonlyMap<string, readonly number[]>,
  { layers }: LoraAdapter,
): Map<string, TensorData> {
  const updates = new Map<string, LoraPair>();
  for (const [layer, pairs] of layers.entries())
    for (const [matrix, pair] of pairs) updates.set(weightName(layer, `${matrix}.weight`), pair);
  const tensors = new Map<string, TensorData>();
  for (const [name, shape] of shapes) {
    const data = checkpoint.read(name);
    const update = updates.get(name);
    if (update) addLowRank(data, update);
    tensors.set(name, { shape, data });
  }
  return tensors;
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

/**
 * Writes the model that a base and its adapter make together, W + scale · B A, as a Hugging Face directory of its own,
 * whole or not at all. Weights keep the base's format, so merging into F16 or BF16 rounds.
 * @throws AuditError `adapter` when the adapter belongs to another base; `unsupported` when it is a red-team one and
 * `acknowledgeRedTeam` is not set; `config` when the target holds anything but an earlier merged model; `model`, `disk`.
 */
export async function mergeAdapter(
  baseDirectory: string,
  adapterDirectory: string,
  outputDirectory: string,
  options: { readonly acknowledgeRedTeam?: boolean } = {},
): Promise<void> {
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
    const shapes = decoderTensorShapes(config);
    const tensors = mergedTensors(checkpoint, shapes, adapter);
    const { dtype } = checkpoint.info('model.embed_tokens.weight');
    writeFolderAtomic(outputDirectory, (temporary) => {
      for (const name of companions) {
        const own = join(adapterDirectory, name);
        const source = name === 'chat_template.jinja' && existsSync(own) ? own : join(baseDirectory, name);
        if (existsSync(source)) cpSync(source, join(temporary, name), { dereference: true });
      }
      writeSafetensors(join(temporary, 'model.safetensors'), tensors, { dtype: dtype as TensorDtype });
    });
  } finally {
    checkpoint.close();
  }
}
