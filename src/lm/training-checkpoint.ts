import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { AuditError } from '../errors.ts';
import { diskError, writeFileAtomic, writeFolderAtomic } from '../files.ts';
import { canonicalJson, sha256File } from '../hash.ts';
import type { TrainingStep } from '../trainer.ts';

/** Everything that training changes, by name: the adapter's matrices, the optimiser's state, the best adapter so far. */
export type TrainingArrays = ReadonlyMap<string, Float32Array | Uint8Array>;

/** The one checkpoint of a training. */
export interface TrainingCheckpoint {
  /**
   * Fills the arrays from the checkpoint and returns its history; null where there is none.
   * @throws AuditError `config` when it belongs to another training or is damaged.
   */
  restore(arrays: TrainingArrays): Promise<TrainingStep[] | null>;
  /** Replaces the checkpoint, whole or not at all. @throws AuditError `disk`. */
  save(history: readonly TrainingStep[], arrays: TrainingArrays): void;
  /** Removes the checkpoint, if there is one. */
  remove(): void;
}

interface Document {
  readonly schema: 'aftertune/training-checkpoint@1';
  /** What decides the training's outcome, by name: canonical JSON or hashes. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly history: TrainingStep[];
  /** Names and bytes of what lies in arrays.bin, in its order. */
  readonly arrays: readonly (readonly [string, number])[];
  readonly sha256: string;
}

const bytesOf = (array: Float32Array | Uint8Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const contents = (arrays: TrainingArrays) =>
  [...arrays].map(([name, array]) => [name, array.byteLength] as const);
/** Below the 2 GiB that one read call can move. */
const largestRead = 1 << 30;

/**
 * The checkpoint of the training that will write `outputDirectory`: a hidden folder beside it with checkpoint.json and
 * arrays.bin. `inputs` are what a checkpoint must share to be gone on from.
 */
export function trainingCheckpoint(
  outputDirectory: string,
  inputs: Readonly<Record<string, unknown>>,
): TrainingCheckpoint {
  const output = resolve(outputDirectory);
  const directory = join(dirname(output), `.${basename(output)}.checkpoint`);
  const own = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, canonicalJson(value)]));
  const refuse = (what: string, problems: readonly string[]) =>
    new AuditError('config', `${directory}: ${what}`, {
      problems,
      hint: 'restore what it was made with, or remove this folder to train from the start',
    });

  return {
    async restore(arrays) {
      if (!existsSync(directory)) return null;
      const found = readCheckpoint(directory);
      if (!found) throw refuse('not a checkpoint this version reads', []);
      const others = Object.keys(own).filter((name) => found.inputs[name] !== own[name]);
      if (others.length > 0) {
        throw refuse(
          'holds a checkpoint of another training',
          others.map((name) => `${name}: not those of this training`),
        );
      }
      const path = join(directory, 'arrays.bin');
      const intact =
        canonicalJson(found.arrays) === canonicalJson(contents(arrays)) &&
        existsSync(path) &&
        (await sha256File(path)) === found.sha256;
      if (!intact) throw refuse('the checkpoint is damaged', []);
      readInto(path, arrays);
      return found.history;
    },
    save(history, arrays) {
      const hash = createHash('sha256');
      for (const array of arrays.values()) hash.update(bytesOf(array));
      const document: Document = {
        schema: 'aftertune/training-checkpoint@1',
        inputs: own,
        history: [...history],
        arrays: contents(arrays),
        sha256: hash.digest('hex'),
      };
      writeFolderAtomic(directory, (temporary) => {
        writeFileAtomic(join(temporary, 'arrays.bin'), [...arrays.values()].map(bytesOf));
        writeFileAtomic(join(temporary, 'checkpoint.json'), `${JSON.stringify(document)}\n`);
      });
    },
    remove() {
      try {
        rmSync(directory, { recursive: true, force: true });
      } catch (error) {
        throw diskError(directory, error);
      }
    },
  };
}

/** Null when it cannot be read. */
function readCheckpoint(directory: string): Document | null {
  try {
    const found = JSON.parse(readFileSync(join(directory, 'checkpoint.json'), 'utf8')) as Document;
    return found.schema === 'aftertune/training-checkpoint@1' ? found : null;
  } catch {
    return null;
  }
}

function readInto(path: string, arrays: TrainingArrays): void {
  const descriptor = openSync(path, 'r');
  try {
    for (const array of arrays.values()) {
      const bytes = bytesOf(array);
      for (let at = 0; at < bytes.length; )
        at += readSync(descriptor, bytes, at, Math.min(bytes.length - at, largestRead), null);
    }
  } finally {
    closeSync(descriptor);
  }
}
