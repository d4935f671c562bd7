import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelOptions } from '../model.ts';
import { type Device, deviceOf } from '../onnx/session.ts';
import { decode, type Stored } from '../onnx/stored.ts';
import { elementCount } from '../onnx/tensor.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { type DecoderConfig, readDecoderConfig } from './config.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { openGguf } from './gguf.ts';
import { decoderTensorShapes } from './layer-tensors.ts';
import { availableMemory } from './memory.ts';
import { type ModelFolder, modelFolder } from './model-folder.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { loadChatTokenizer } from './tokenizer.ts';

/** A base model in memory, shared by all its adapters. */
export interface Base {
  readonly folder: ModelFolder;
  readonly config: DecoderConfig;
  readonly decoder: Decoder;
  readonly device: Device;
  /** What `memory` came to. */
  readonly memory: 'low' | 'fast';
  /** SHA-256 over the weight files. */
  readonly sha256: string;
  readonly scheduler: Scheduler;
  /** Open models and running trainings. */
  users: number;
  trainings: number;
}

/** A Hugging Face folder, or a GGUF file read as one. @throws AuditError `model`, `unsupported`. */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  return path.endsWith('.gguf') ? openGguf(path) : modelFolder(path);
}

/** Whether weights in half precision are decoded once, at loading: where that takes at most a quarter of the memory. */
function isFast(config: DecoderConfig, { memory }: ModelOptions): boolean {
  if (memory !== 'auto') return memory === 'fast';
  const values = [...decoderTensorShapes(config).values()].reduce(
    (sum, shape) => sum + elementCount(shape),
    0,
  );
  return values * 4 <= availableMemory() / 4;
}

function readWeights(checkpoint: Checkpoint, config: DecoderConfig, fast: boolean): Map<string, Stored> {
  const weights = new Map<string, Stored>();
  for (const [name, shape] of decoderTensorShapes(config)) {
    const stored = checkpoint.readStored(name);
    weights.set(name, fast && 'data' in stored ? decode(stored, 0, elementCount(shape)) : stored);
  }
  return weights;
}

async function openBase(folder: ModelFolder, options: ModelOptions, threads: number): Promise<Base> {
  const config = readDecoderConfig(folder);
  loadChatTokenizer(folder, { vocabularySize: config.vocabularySize });
  const device = await deviceOf(options.device);
  const checkpoint = openCheckpoint(folder, config);
  try {
    const fast = isFast(config, options);
    const weights = readWeights(checkpoint, config, fast);
    const decoder = await createDecoder(config, weights, threads, device, fast && device === 'cpu');
    const scheduler = createScheduler(decoder);
    const memory = fast ? 'fast' : 'low';
    const sha256 = await checkpoint.sha256();
    return { folder, config, decoder, device, memory, scheduler, sha256, users: 0, trainings: 0 };
  } finally {
    checkpoint.close();
  }
}

/** Tells a model's content apart from what its path held before, without reading it. */
function stateOf(path: string): string {
  const real = realpathSync(path);
  const whole = statSync(real);
  const names = whole.isDirectory()
    ? readdirSync(real).filter(
        (name) => name.endsWith('.safetensors') || /^(generation_)?config\.json$/.test(name),
      )
    : [''];
  const files = names.map((name) => statSync(join(real, name)));
  return JSON.stringify([real, files.map(({ ino, size, mtimeMs }) => [ino, size, mtimeMs])]);
}

/** Holds each base once, and lets go of it when another is asked for and nobody uses it. */
export function createBases(threads: number): {
  /** As `openModelFolder`; a GGUF file's metadata and tokenizer are read once, not for every adapter. */
  folder(path: string): Promise<ModelFolder>;
  use(folder: ModelFolder, options: ModelOptions): Promise<Base>;
} {
  const bases = new Map<string, Promise<Base>>();
  const ggufs = new Map<string, ModelFolder>();
  return {
    async folder(path) {
      if (!path.endsWith('.gguf') || !existsSync(path)) return openModelFolder(path);
      const key = stateOf(path);
      const folder = ggufs.get(key) ?? (await openModelFolder(path));
      ggufs.set(key, folder);
      return folder;
    },
    async use(folder, options) {
      const key = JSON.stringify([stateOf(folder.path), options.device, options.memory]);
      for (const [other, opened] of bases) {
        const idle = other === key ? null : await opened.catch(() => null);
        if (idle?.users !== 0 || bases.get(other) !== opened) continue;
        bases.delete(other);
        for (const [at, opened] of ggufs) if (opened === idle.folder) ggufs.delete(at);
        await idle.decoder.close();
      }
      const opened = bases.get(key) ?? openBase(folder, options, threads);
      bases.set(key, opened);
      try {
        const base = await opened;
        base.users++;
        return base;
      } catch (error) {
        bases.delete(key);
        throw error;
      }
    },
  };
}
