import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AuditError, type ErrorCode } from './errors.ts';

/** Where the package lies: the folder that holds package.json, models/ and data/. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Makes a folder and those above it that are missing, for their owner alone unless told. Node's own recursive mkdir never ends
 * where a file system refuses new folders by ENOENT, as /proc and automounters do.
 * @returns the first folder made; undefined when it was there.
 * @throws the error of the file system; EEXIST where there is a file.
 */
export function makeFolder(path: string, mode = 0o700): string | undefined {
  const parent = dirname(path);
  const first = parent === path || existsSync(parent) ? undefined : makeFolder(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return first;
    throw error;
  }
  return first ?? path;
}

/** Node writes no more than 2 GiB at once. */
const largestWrite = 1 << 30;

/**
 * Writes a file whole or not at all: a temporary sibling, fsync, rename. A large file is given piece by piece.
 * @throws AuditError `disk` when there is no room or no permission.
 */
export function writeFileAtomic(
  path: string,
  data: string | Uint8Array | Iterable<Uint8Array>,
  mode = 0o600,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeFolder(dirname(path));
    const descriptor = openSync(temporary, 'w', mode);
    try {
      const pieces =
        typeof data === 'string' ? [Buffer.from(data)] : data instanceof Uint8Array ? [data] : data;
      for (const bytes of pieces) {
        for (let at = 0; at < bytes.length; )
          at += writeSync(descriptor, bytes, at, Math.min(bytes.length - at, largestWrite));
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    remove(temporary);
    throw diskError(path, error);
  }
}

/** A file opened for reading; null where there is none. @throws AuditError `disk`. */
export function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw diskError(path, error);
  }
}

/**
 * Fills a folder whole or not at all: `fill` writes into a temporary sibling, which then takes the folder's place
 * (and that of an older one there).
 * @throws AuditError `disk` when there is no room or no permission.
 */
export function writeFolderAtomic(path: string, fill: (temporary: string) => void): void {
  const { temporary, commit, undo } = stageFolder(path);
  try {
    fill(temporary);
    commit();
  } catch (error) {
    throw undo(error);
  }
}

/** A folder that takes another's place by `commit`; `undo` leaves everything as it was and says what went wrong. */
export function stageFolder(path: string): {
  readonly temporary: string;
  commit(): void;
  undo(error: unknown): unknown;
} {
  path = resolve(path); // a trailing slash would put the siblings inside
  const temporary = `${path}.${process.pid}.tmp`;
  const replaced = `${path}.${process.pid}.old`;
  const undo = (error: unknown) => {
    remove(temporary);
    if (existsSync(replaced) && !existsSync(path)) renameSync(replaced, path);
    return diskError(path, error);
  };
  try {
    rmSync(temporary, { recursive: true, force: true });
    makeFolder(temporary);
  } catch (error) {
    throw undo(error);
  }
  const commit = () => {
    if (existsSync(path)) renameSync(path, replaced);
    renameSync(temporary, path);
    rmSync(replaced, { recursive: true, force: true });
  };
  return { temporary, commit, undo };
}

/** The name of a half-written file or folder, or of one that was being replaced. */
const leftover = /^(.+)\.\d+\.(tmp|old)$/;

/** Whether a killed process may have left a file or folder of this name behind. */
export function isLeftover(name: string): boolean {
  return leftover.test(name);
}

/**
 * Clears away what killed processes left half-written in a folder; what they were replacing is put back.
 * @throws AuditError `disk`.
 */
export function clearLeftovers(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const [, whole, kind] = leftover.exec(entry.name) ?? [];
    const intact = whole === undefined ? null : join(directory, whole);
    try {
      if (intact !== null && kind === 'old' && !existsSync(intact)) renameSync(path, intact);
      else if (intact !== null) rmSync(path, { recursive: true, force: true });
      else if (entry.isDirectory()) clearLeftovers(path);
    } catch (error) {
      throw diskError(path, error);
    }
  }
}

/** Cleans up after an error, which is the one to tell. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It could not be made either.
  }
}

/** Turns a file system error into one that says the way out; anything else is passed on unchanged. */
export function diskError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const reasons: Record<string, [string, string]> = {
    ENOSPC: [
      'no space left on the disk',
      'free some room, then run the same command again: what was finished is kept',
    ],
    EDQUOT: [
      'the disk quota is used up',
      'free some room, then run the same command again: what was finished is kept',
    ],
    EROFS: ['the file system is read-only', 'choose another folder with --out'],
    EACCES: ['permission denied', 'check the owner of the folder, or choose another with --out'],
    EPERM: ['permission denied', 'check the owner of the folder, or choose another with --out'],
    ENOENT: ['there is no such place, and none can be made', 'choose another folder with --out'],
    ENOTDIR: ['a part of the path is a file', 'choose another folder with --out'],
  };
  const reason = code ? reasons[code] : undefined;
  if (!reason) return error;
  return new AuditError('disk', `${path}: ${reason[0]}`, { hint: reason[1], cause: error });
}

/** Reads UTF-8 text. @throws AuditError with `code` when the file is missing or unreadable. */
export function readText(path: string, code: ErrorCode, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    const why =
      cause.code === 'ENOENT' ? 'no such file' : cause.code === 'EISDIR' ? 'is a folder' : cause.message;
    throw new AuditError(code, `${what}: ${path}: ${why}`, {
      hint: 'check the path; relative paths start at the config file',
      cause,
    });
  }
}

/** Every part of a split GGUF file, of which one is named; a file that is not split alone. */
export function ggufParts(path: string): string[] {
  const split = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(path);
  if (!split) return [path];
  const [, prefix, total] = split;
  const number = (index: number) => String(index + 1).padStart(5, '0');
  return Array.from({ length: Number(total) }, (_, index) => `${prefix}-${number(index)}-of-${total}.gguf`);
}
