import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AuditError, throwIfAborted } from '../errors.ts';
import { diskError } from '../files.ts';

/** Where a document goes: a file, written whole or not at all, or standard output. */
export interface Output {
  /** Null: standard output. */
  readonly path: string | null;
  readonly stdout: { readonly isTerminal: boolean; readonly write: (piece: Uint8Array) => Promise<void> };
  readonly signal: AbortSignal;
}

/**
 * Writes a document piece by piece; a file has mode 0600.
 * @throws AuditError `disk` when it cannot be written; `interrupted` when the signal fires: then no file is left.
 */
export async function writeOutput(pieces: Iterable<Uint8Array>, output: Output): Promise<void> {
  const { path, stdout, signal } = output;
  const breathe = () => new Promise((resolve) => setImmediate(resolve));
  const each = async (write: (piece: Uint8Array) => Promise<unknown>) => {
    for (const piece of pieces) {
      await write(piece);
      await breathe();
      throwIfAborted(signal);
    }
  };
  if (path === null) return await each(stdout.write);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'w', 0o600);
    try {
      await each((piece) => file.writeFile(piece));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(path, error);
  }
}

/** @throws AuditError `config` for bytes that a terminal cannot show, and for `--json` without a file to write. */
export function refuseOutput(output: Output, binary: boolean, json: boolean): void {
  if (output.path !== null) return;
  if (binary && output.stdout.isTerminal) {
    throw new AuditError('config', 'Parquet is binary, and standard output is a terminal', {
      hint: 'give --out FILE, or send the output into one',
    });
  }
  if (json) {
    throw new AuditError('config', '--json and the document cannot both go to standard output', {
      hint: 'give --out FILE, or leave --json out',
    });
  }
}
