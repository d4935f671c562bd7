import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import type { Stored } from '../onnx/stored.ts';

/** A tensor of a weight file, before it is read. */
export interface TensorEntry {
  /** The file's word for its number format: F32, BF16, Q4_K, … */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** An open file of named tensors. */
export interface TensorFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** In its stored format. @throws AuditError `model` when the file became shorter. */
  readStored(name: string): Stored;
  close(): void;
}

/** The files of a model by their Hugging Face names: a folder, or one file (GGUF) that is read as such a folder. */
export interface ModelFolder {
  readonly path: string;
  /** Null when there is no such file. */
  text(name: string): string | null;
  /** The weight files, opened; null: they lie in the folder as safetensors. */
  openWeights: (() => TensorFile[]) | null;
}

/** A folder's path, or a model that was opened already. */
export type ModelSource = string | ModelFolder;

/** @throws AuditError `model` when a path names no folder. */
export function modelFolder(source: ModelSource): ModelFolder {
  if (typeof source !== 'string') return source;
  if (!existsSync(source) || !statSync(source).isDirectory()) {
    throw new AuditError('model', `${source}: no such model folder`, {
      hint: 'name a local folder in Hugging Face format, or hf:OWNER/NAME to fetch one',
    });
  }
  return {
    path: source,
    openWeights: null,
    text: (name) => {
      const path = join(source, name);
      return existsSync(path) ? readText(path, 'model', name) : null;
    },
  };
}

/**
 * Reads a JSON object of a model, or null when there is no such file.
 * @throws AuditError `model` when the folder is missing or the file is not a JSON object.
 */
export function readModelJson(source: ModelSource, name: string): Record<string, unknown> | null {
  const folder = modelFolder(source);
  const text = folder.text(name);
  if (text === null) return null;
  const path = join(folder.path, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AuditError('model', `${path}: not JSON: ${(error as Error).message}`, {
      hint: 'the file may be half-downloaded: fetch it again',
    });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new AuditError('model', `${path}: expected a JSON object`);
  return value as Record<string, unknown>;
}
