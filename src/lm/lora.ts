import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from '../errors.ts';
import { writeFileAtomic, writeFolderAtomic } from '../files.ts';
import { sha256File } from '../hash.ts';
import type { Random } from '../random.ts';
import type { LoraSettings } from '../trainer.ts';
import { type AdapterConfig, readAdapterConfig } from './adapter-config.ts';
import { missingWeightsHint, withPlainNames } from './adapter-names.ts';
import type { DecoderConfig } from './config.ts';
import { type Matrix, matricesOf, matrixShapes, weightName } from './layer-tensors.ts';
import { type AdapterOrigin, modelCard } from './model-card.ts';
import { openSafetensors, type SafetensorsFile, type TensorData, writeSafetensors } from './safetensors.ts';

/** One matrix's low-rank update: W + scale · B A. */
export interface LoraPair {
  readonly r: number;
  /** alpha / r, or alpha / √r for rank-stabilised LoRA (Kalajdzievski 2023, arXiv 2312.03732). */
  readonly scale: number;
  /** [r, in], row-major. */
  readonly a: Float32Array;
  /** [out, r], row-major. */
  readonly b: Float32Array;
}

/** A LoRA adapter in memory. Source: Hu et al. 2021, arXiv 2106.09685. */
export interface LoraAdapter {
  /** What the config says of all matrices; a pair's own rank and scale may differ. */
  readonly r: number;
  readonly alpha: number;
  readonly rankStabilised: boolean;
  /** In the order of computation. */
  readonly targetModules: readonly Matrix[];
  readonly layers: readonly ReadonlyMap<Matrix, LoraPair>[];
  /** SHA-256 of the base's weight files, where the adapter's maker recorded it. */
  readonly baseSha256: string | null;
}

/** An adapter as found on the disk. */
export interface StoredAdapter extends LoraAdapter {
  readonly baseModelName: string | null;
  /** Trained on rejected responses. */
  readonly redTeam: boolean;
}

/**
 * A new adapter that changes nothing yet: A is U(−1/√in, 1/√in), B is zero.
 * Source: PEFT's default, `kaiming_uniform_(A, a=√5)`.
 */
export function createLora(config: DecoderConfig, settings: LoraSettings, random: Random): LoraAdapter {
  const { r, alpha } = settings;
  const shapes = matrixShapes(config);
  const targetModules = matricesOf(config, settings.targetModules);
  const rankStabilised = settings.useRslora ?? false;
  const scale = alpha / (rankStabilised ? Math.sqrt(r) : r);
  const layers = Array.from({ length: config.layers }, () => {
    const pairs = new Map<Matrix, LoraPair>();
    for (const matrix of targetModules) {
      const [rows, columns] = shapes.get(matrix)!;
      const bound = 1 / Math.sqrt(columns);
      const a = new Float32Array(r * columns).map(() => (2 * random.next() - 1) * bound);
      pairs.set(matrix, { r, scale, a, b: new Float32Array(rows * r) });
    }
    return pairs;
  });
  return { r, alpha, rankStabilised, targetModules, layers, baseSha256: null };
}

/** @throws AuditError `adapter` when the adapter was trained on other weights than these. */
export function assertAdapterFits(adapter: LoraAdapter, baseSha256: string): void {
  if (adapter.baseSha256 !== null && adapter.baseSha256 !== baseSha256) {
    throw new AuditError(
      'adapter',
      `the adapter was trained on a base with SHA-256 ${adapter.baseSha256}, this base has ${baseSha256}`,
      {
        hint: 'audit the adapter on the base it was trained from',
      },
    );
  }
}

const tensorName = (layer: number, matrix: Matrix, factor: 'A' | 'B') =>
  `base_model.model.${weightName(layer, `${matrix}.lora_${factor}.weight`)}`;

/**
 * Writes a PEFT adapter folder, whole or not at all, in place of an older one.
 * @throws AuditError `disk` when there is no room or no permission.
 */
export function writeAdapter(directory: string, adapter: LoraAdapter, origin: AdapterOrigin): void {
  const tensors = new Map<string, TensorData>();
  for (const [layer, pairs] of adapter.layers.entries()) {
    for (const [matrix, { r, a, b }] of pairs) {
      tensors.set(tensorName(layer, matrix, 'A'), { shape: [r, a.length / r], data: a });
      tensors.set(tensorName(layer, matrix, 'B'), { shape: [b.length / r, r], data: b });
    }
  }
  writeFolderAtomic(directory, (temporary) => {
    writeFileAtomic(
      join(temporary, 'adapter_config.json'),
      `${JSON.stringify(peftConfig(adapter, origin), null, 2)}\n`,
    );
    writeFileAtomic(join(temporary, 'README.md'), modelCard(adapter, origin));
    writeSafetensors(join(temporary, 'adapter_model.safetensors'), tensors);
  });
}

/** The names of the matrices with a value that is not a number, as training that diverges leaves them. */
export function nonFiniteTensors({ layers }: Pick<LoraAdapter, 'layers'>): string[] {
  return layers.flatMap((pairs, layer) =>
    [...pairs].flatMap(([matrix, { a, b }]) => [
      ...(a.every(Number.isFinite) ? [] : [tensorName(layer, matrix, 'A')]),
      ...(b.every(Number.isFinite) ? [] : [tensorName(layer, matrix, 'B')]),
    ]),
  );
}

/** SHA-256 of an adapter folder's weights, in hex. */
export function adapterSha256(directory: string): Promise<string> {
  return sha256File(join(directory, 'adapter_model.safetensors'));
}

function peftConfig(adapter: LoraAdapter, origin: AdapterOrigin): object {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: origin.baseModelName,
    revision: null,
    inference_mode: true,
    r: adapter.r,
    lora_alpha: adapter.alpha,
    lora_dropout: origin.training?.lora.dropout ?? 0,
    target_modules: adapter.targetModules,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: adapter.rankStabilised,
    use_dora: false,
    modules_to_save: null,
    layers_pattern: null,
    ...deviations(adapter),
    aftertune: { base_sha256: origin.baseSha256, red_team: origin.redTeam },
  };
}

/** The pairs whose rank or alpha is not the adapter's, and the layers it changes, in PEFT's words. */
function deviations({ r, alpha, rankStabilised, layers }: LoraAdapter): object {
  const ranks: Record<string, number> = {};
  const alphas: Record<string, number> = {};
  for (const [layer, pairs] of layers.entries()) {
    for (const [matrix, pair] of pairs) {
      const own = pair.scale * (rankStabilised ? Math.sqrt(pair.r) : pair.r);
      if (pair.r !== r) ranks[weightName(layer, matrix)] = pair.r;
      if (Math.abs(own - alpha) > 1e-9 * alpha) alphas[weightName(layer, matrix)] = own;
    }
  }
  const changed = [...layers.keys()].filter((layer) => layers[layer]!.size > 0);
  return {
    layers_to_transform: changed.length === layers.length ? null : changed,
    rank_pattern: ranks,
    alpha_pattern: alphas,
  };
}

/**
 * Reads a PEFT LoRA folder made for a base of this shape.
 * @throws AuditError `adapter` when files are missing or the weights fit another base; `unsupported` naming every
 * feature of the adapter that would be computed wrongly.
 */
export function readAdapter(directory: string, config: DecoderConfig): StoredAdapter {
  const settings = readAdapterConfig(directory);
  const path = join(directory, 'adapter_model.safetensors');
  if (!existsSync(path)) {
    const hint = missingWeightsHint(readdirSync(directory));
    throw new AuditError('adapter', `${path}: no such file`, { hint });
  }
  const stored = openAdapterWeights(path);
  try {
    const file = withPlainNames(stored, path);
    const targetModules = settings.targetModules ?? matricesIn(file, config);
    const { layers, problems } = readLayers(file, config, settings, targetModules);
    if (problems.length > 0) {
      throw new AuditError('adapter', `${path}: cannot be used with this base model`, {
        problems,
        hint: `the adapter names ${settings.baseModelName ?? 'no base'}: audit it on the base it was trained from`,
      });
    }
    const broken = nonFiniteTensors({ layers });
    if (broken.length > 0) {
      throw new AuditError('adapter', `${path}: is broken`, {
        problems: broken.map((name) => `${name}: holds values that are not numbers`),
        hint: 'its training diverged, or the file is damaged: train or fetch it again',
      });
    }
    const { r, alpha, rankStabilised, baseSha256, baseModelName, redTeam } = settings;
    return { r, alpha, rankStabilised, targetModules, layers, baseSha256, baseModelName, redTeam };
  } finally {
    stored.close();
  }
}

function openAdapterWeights(path: string): SafetensorsFile {
  try {
    return openSafetensors(path);
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    throw new AuditError('adapter', error.message, {
      problems: error.problems,
      cause: error,
      ...(error.hint ? { hint: error.hint } : {}),
    });
  }
}

/** The matrices that some layer holds: for adapters whose config gives a pattern instead of a list. */
function matricesIn(file: SafetensorsFile, config: DecoderConfig): Matrix[] {
  const held = (matrix: Matrix) =>
    Array.from({ length: config.layers }, (_, layer) => tensorName(layer, matrix, 'A')).some((name) =>
      file.tensors.has(name),
    );
  return [...matrixShapes(config).keys()].filter(held);
}

function readLayers(
  file: SafetensorsFile,
  config: DecoderConfig,
  settings: AdapterConfig,
  targetModules: readonly Matrix[],
) {
  const shapes = matrixShapes(config);
  const problems: string[] =
    targetModules.length === 0 ? ['no LoRA tensors for any projection of the first layer'] : [];
  const known = new Set<string>();
  const take = (name: string, shape: readonly [number, number]): Float32Array => {
    known.add(name);
    const found = file.tensors.get(name);
    if (!found) problems.push(`${name}: missing`);
    else if (found.shape.length !== 2 || found.shape[0] !== shape[0] || found.shape[1] !== shape[1]) {
      problems.push(`${name}: shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`);
    } else return file.read(name);
    return new Float32Array(0);
  };
  const isNamed = (matrix: Matrix) => [...file.tensors.keys()].some((name) => name.includes(`.${matrix}.`));
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const pairs = new Map<Matrix, LoraPair>();
    if (settings.layers && !settings.layers.includes(layer)) return pairs;
    for (const matrix of targetModules) {
      const shape = shapes.get(matrix);
      if (!shape && !isNamed(matrix)) continue; // PEFT passes over names that the model does not have
      if (!shape) {
        if (layer === 0)
          problems.push(`${matrix}: this model has none; it has ${[...shapes.keys()].join(', ')}`);
        continue;
      }
      if (!settings.targetModules && !file.tensors.has(tensorName(layer, matrix, 'A'))) continue;
      const module = weightName(layer, matrix);
      if (!settings.covers(module)) continue;
      const { r, scale } = settings.of(module);
      const a = take(tensorName(layer, matrix, 'A'), [r, shape[1]]);
      const b = take(tensorName(layer, matrix, 'B'), [shape[0], r]);
      pairs.set(matrix, { r, scale, a, b });
    }
    return pairs;
  });
  for (const name of file.tensors.keys())
    if (!known.has(name)) problems.push(`${name}: no place for it in this base model`);
  return { layers, problems };
}
