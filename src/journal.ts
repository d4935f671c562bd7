import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { z } from 'zod';
import { AuditError } from './errors.ts';
import { diskError, writeFileAtomic } from './files.ts';

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
  /** Takes the lines of one batch; they reach the disk within 50 ms or 256 lines. @throws AuditError `disk`. */
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
  let pending: T[] = [];
  let timer: NodeJS.Timeout | undefined;
  let failure: unknown;
  let descriptor = openAt(path, end);

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    if (failure) throw failure;
    if (pending.length === 0) return;
    let written = end;
    try {
      // A piece at a time: an import appends more than a text can hold.
      for (let from = 0; from < pending.length; from += commitLines) {
        const data = encode(pending.slice(from, from + commitLines));
        writeWhole(descriptor, data, written);
        written += data.length;
      }
      fsyncSync(descriptor);
    } catch (error) {
      failure = diskError(path, error);
      cutBack(descriptor, end);
      throw failure;
    }
    end = written;
    pending = [];
  };

  const commitLater = () => {
    try {
      commit();
    } catch {
      // Kept in `failure`: the next append, flush or close throws it.
    }
  };

  return {
    records: () => finished,
    batch: (key) => batches.get(key) ?? [],
    append: (lines) => {
      if (failure) throw failure;
      for (const line of lines) {
        finished.push(line);
        pending.push(line);
        addTo(batches, line);
      }
      if (pending.length >= commitLines) commit();
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
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], bytes: 0 };
    throw diskError(path, error);
  }
  const lines: T[] = [];
  let start = 0;
  let number = 0;
  for (let stop = data.indexOf(10); stop >= 0; stop = data.indexOf(10, start)) {
    number++;
    try {
      lines.push(parseLine(data.toString('utf8', start, stop), schema, path, number));
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      damaged(error);
    }
    start = stop + 1;
  }
  return { lines, bytes: start };
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
