import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { z } from 'zod';
import { AuditError } from './errors.ts';
import { diskError, openIfThere, writeFileAtomic } from './files.ts';
import { linesOf } from './lines.ts';

/** A line belongs to the planned batch that made it. */
export interface Line {
  readonly batchKey: string;
}

/** An append-only file of JSON lines with group commit: a line is finished once an fsync covers it. */
export interface Journal<T extends Line> {
  /** Every line, in the order written. */
  records(): readonly T[];
  /** The lines of one planned batch, in the order written; fewer than planned when a crash cut it. */
  batch(key: string): readonly T[];
  /** Writes the lines of one batch, which outlive this process; they reach the disk within 50 ms or 256 lines. @throws AuditError `disk`. */
  append(lines: readonly T[]): void;
  /** Drops the lines that do not satisfy `keep`; the file is rewritten whole, and only when there are any. */
  retain(keep: (line: T) => boolean): void;
  /** Returns once an fsync covers every line. @throws AuditError `disk`. */
  flush(): void;
  close(): void;
}

const commitMilliseconds = 50;
const commitLines = 256;

/**
 * Opens a journal for writing, creating it where there is none. A torn last line is dropped.
 * @throws AuditError `store` for a damaged line before the last, with its number; `disk` when it cannot be written.
 */
export function openJournal<T extends Line>(path: string, schema: z.ZodType<T>): Journal<T> {
  let { lines: finished, bytes: end } = readLines(path, schema);
  let batches = byBatch(finished);
  let unsynced = 0;
  let timer: NodeJS.Timeout | undefined;
  let failure: unknown;
  let descriptor = openAt(path, end);

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    if (failure) throw failure;
    if (unsynced === 0) return;
    try {
      fsyncSync(descriptor);
    } catch (error) {
      failure = diskError(path, error);
      throw failure;
    }
    unsynced = 0;
  };

  const commitLater = () => {
    try {
      commit();
    } catch {
      // Kept in `failure`: the next append, flush or close throws it.
    }
  };

  /** Hands lines to the kernel, which keeps them when this process is killed; only fsync keeps them when the machine is. */
  const write = (lines: readonly T[]) => {
    const data = encode(lines);
    try {
      writeWhole(descriptor, data, end);
      end += data.length;
      unsynced += lines.length;
    } catch (error) {
      failure = diskError(path, error);
      cutBack(descriptor, end);
    }
  };

  return {
    records: () => finished,
    batch: (key) => batches.get(key) ?? [],
    append: (lines) => {
      if (failure) throw failure;
      for (const line of lines) {
        finished.push(line);
        addTo(batches, line);
      }
      write(lines);
      if (unsynced >= commitLines) commit();
      else timer ??= setTimeout(commitLater, commitMilliseconds);
    },
    retain: (keep) => {
      commit();
      const kept = finished.filter(keep);
      if (kept.length === finished.length) return;
      const data = encode(kept);
      writeFileAtomic(path, data);
      closeSync(descriptor);
      [finished, batches, end] = [kept, byBatch(kept), data.length];
      descriptor = openAt(path, end);
    },
    flush: commit,
    close: () => {
      try {
        commit();
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/**
 * Reads a journal without touching it; a torn last line is left out, a missing file is empty.
 * @throws AuditError `store` for a damaged line before the last, with its number.
 */
export function readJournal<T extends Line>(path: string, schema: z.ZodType<T>): T[] {
  return readLines(path, schema).lines;
}

/** As `readJournal`, but a damaged line is left out and said to be damaged. */
export function salvageJournal<T extends Line>(
  path: string,
  schema: z.ZodType<T>,
): { readonly lines: T[]; readonly problems: string[] } {
  const problems: string[] = [];
  const { lines } = readLines(path, schema, ({ message }) => problems.push(message));
  return { lines, problems };
}

/** `bytes`: where the last whole line ends. `damaged`: what is done about a line that cannot be read, beside leaving it out. */
function readLines<T>(
  path: string,
  schema: z.ZodType<T>,
  damaged: (error: AuditError) => void = (error) => {
    throw error;
  },
): { lines: T[]; bytes: number } {
  const descriptor = openIfThere(path);
  if (descriptor === null) return { lines: [], bytes: 0 };
  const lines: T[] = [];
  let [bytes, number] = [0, 0];
  try {
    for (const { line, end, whole } of linesOf((chunk) => readFrom(descriptor, chunk, path))) {
      if (!whole) break;
      number++;
      bytes = end;
      try {
        lines.push(parseLine(line.toString('utf8'), schema, path, number));
      } catch (error) {
        if (!(error instanceof AuditError)) throw error;
        damaged(error);
      }
    }
  } finally {
    closeSync(descriptor);
  }
  return { lines, bytes };
}

function readFrom(descriptor: number, chunk: Buffer, path: string): number {
  try {
    return readSync(descriptor, chunk);
  } catch (error) {
    throw diskError(path, error);
  }
}

/** One line of a journal as its record. @throws AuditError `store` when it is damaged or of another version. */
export function parseLine<T>(text: string, schema: z.ZodType<T>, path: string, number: number): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damagedLine(path, number, 'is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const version =
    parsed.error.issues.find(({ path: [field] }) => field === 'schema') &&
    (value as { schema?: unknown }).schema;
  if (typeof version === 'string') {
    throw new AuditError(
      'store',
      `${path}: line ${number} is a ${version}, which this version does not read`,
      {
        hint: 'read it with the version that wrote it, or start over with --fresh or another --out',
      },
    );
  }
  const issue = parsed.error.issues[0]!;
  throw damagedLine(path, number, `${issue.path.join('.') || 'line'}: ${issue.message}`);
}

function damagedLine(path: string, number: number, why: string): AuditError {
  return new AuditError('store', `${path}: line ${number} is damaged: ${why}`, {
    hint: 'restore the file from a copy, or start over with --fresh or another --out',
  });
}

function byBatch<T extends Line>(lines: readonly T[]): Map<string, T[]> {
  const batches = new Map<string, T[]>();
  for (const line of lines) addTo(batches, line);
  return batches;
}

function addTo<T extends Line>(batches: Map<string, T[]>, line: T): void {
  const batch = batches.get(line.batchKey);
  if (batch) batch.push(line);
  else batches.set(line.batchKey, [line]);
}

function encode(lines: readonly Line[]): Buffer {
  return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** Opens for writing and cuts off what follows the last whole line. */
function openAt(path: string, end: number): number {
  try {
    const descriptor = openSync(path, 'r+');
    ftruncateSync(descriptor, end);
    return descriptor;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(path, error);
  }
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    throw diskError(path, error);
  }
}

function writeWhole(descriptor: number, data: Buffer, position: number): void {
  for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at, data.length - at, position + at);
}

/** A half-written line after a full disk; where even this fails, resuming drops it. */
function cutBack(descriptor: number, end: number): void {
  try {
    ftruncateSync(descriptor, end);
  } catch {
    // The torn line is dropped when the journal is opened again.
  }
}
