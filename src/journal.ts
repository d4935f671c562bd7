import { closeSync, fsync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { z } from 'zod';
import { diskError, writeFileAtomic } from './files.ts';
import { checkedLines, orderedLines, readBytes, storedLines } from './journal-lines.ts';
import { LineIndex } from './line-index.ts';
import type { Records } from './records.ts';

export { parseLine, readJournal, salvageJournal, storedJournal } from './journal-lines.ts';

/** A line belongs to the planned batch that made it, and to its arm's part of the journal. */
export interface Line {
  readonly batchKey: string;
  readonly arm?: string;
  readonly suite?: string;
  readonly judge?: string;
}

/** Whose lines: of one arm and suite, and of one judge where there are several. */
export type Part = Omit<Line, 'batchKey'>;

/**
 * An append-only file of JSON lines with group commit: a line is finished once an fsync covers it. Records are read from
 * the file each time; memory holds where they are.
 */
export interface Journal<T extends Line> extends Iterable<T> {
  /** Every line, in the order written. */
  records(): T[];
  /** The lines of one planned batch, in the order written; fewer than planned when a crash cut it. */
  batch(key: string): T[];
  /** How many lines the batch has, and none of them is to be made again. */
  finished(key: string): number;
  /** How many lines an arm's part has. */
  count(part: Part): number;
  /** An arm's part, ordered by what `place` makes; read through once, when it is first asked for. */
  ordered(part: Part, place: () => (line: T) => number): Records<T>;
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
const closed = 0;

/**
 * Opens a journal for writing, creating it where there is none. A torn last line is dropped.
 * `again`: whether a resumed run makes a line again, as where nothing was answered.
 * @throws AuditError `store` for a damaged line before the last, with its number; `disk` when it cannot be written.
 */
export function openJournal<T extends Line>(
  path: string,
  schema: z.ZodType<T>,
  again: (line: T) => boolean = () => false,
): Journal<T> {
  let index = new LineIndex();
  /** Batches with a line that is made again. */
  let unfinished = new Set<string>();
  const add = (line: T, end: number) => {
    index.add(line.batchKey, nameOf(line), end);
    if (again(line)) unfinished.add(line.batchKey);
  };
  let end = 0;
  for (const checked of checkedLines(path, schema)) add(checked.line, (end = checked.end));
  let descriptor = openAt(path, end);
  /** Which of its openings this is; descriptors are numbers that are given out again. */
  let opening = 1;
  /** Lines written, and of these covered by an fsync, since it was opened. */
  let [written, synced] = [0, 0];
  let timer: NodeJS.Timeout | undefined;
  /** An fsync goes on beside the main thread. */
  let beside = false;
  let failure: unknown;

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    if (failure) throw failure;
    if (synced === written) return;
    try {
      fsyncSync(descriptor);
    } catch (error) {
      failure = diskError(path, error);
      throw failure;
    }
    synced = written;
  };

  /** Beside the main thread, which goes on; begun at half of the 256 lines that it may run ahead, it seldom has to wait. */
  const commitBeside = () => {
    clearTimeout(timer);
    timer = undefined;
    beside = true;
    const [own, covered] = [opening, written];
    fsync(descriptor, (error) => {
      beside = false;
      // The next append, flush or close throws it.
      if (own === opening && error) failure ??= diskError(path, error);
      else if (own === opening) synced = Math.max(synced, covered);
      if (opening !== closed && synced < written && !failure) commitLater();
    });
  };
  const commitLater = () => {
    if (!beside) timer ??= setTimeout(commitBeside, commitMilliseconds);
  };

  /** Hands lines to the kernel, which keeps them when this process is killed; only fsync keeps them when the machine is. */
  const write = (lines: readonly T[]) => {
    const texts = lines.map((line) => `${JSON.stringify(line)}\n`);
    const data = Buffer.from(texts.join(''));
    try {
      writeWhole(descriptor, data, end);
    } catch (error) {
      failure = diskError(path, error);
      cutBack(descriptor, end);
      return;
    }
    for (const [at, line] of lines.entries()) add(line, (end += Buffer.byteLength(texts[at]!)));
    written += lines.length;
  };

  const readAt = (at: number): T => {
    const { start, end: stop } = index.bytesOf(at);
    return JSON.parse(readBytes(descriptor, start, stop - start, path)) as T;
  };
  const all = () => storedLines<T>(path, end);

  return {
    [Symbol.iterator]: all,
    records: () => [...all()],
    batch: (key) =>
      index
        .ofBatch(key)
        .map(readAt)
        .filter(({ batchKey }) => batchKey === key),
    finished: (key) => (unfinished.has(key) ? 0 : index.ofBatch(key).length),
    count: (part) => index.countOf(nameOf(part)),
    ordered: (part, place) => orderedLines(() => index, nameOf(part), readAt, place),
    append: (lines) => {
      if (failure) throw failure;
      write(lines);
      if (written - synced >= commitLines) commit();
      else if (written - synced >= commitLines / 2 && !beside) commitBeside();
      else commitLater();
    },
    retain: (keep) => {
      commit();
      if (every(all(), keep)) return;
      const old = all();
      [index, unfinished, end] = [new LineIndex(), new Set(), 0];
      writeFileAtomic(
        path,
        rewritten(old, keep, (line, bytes) => add(line, (end += bytes))),
      );
      closeSync(descriptor);
      descriptor = openAt(path, end);
      opening++;
    },
    flush: commit,
    close: () => {
      try {
        commit();
      } finally {
        const own = descriptor;
        [opening, descriptor] = [closed, -1];
        closeSync(own);
      }
    },
  };
}

const nameOf = ({ arm = '', suite = '', judge = '' }: Part) => `${arm}\u0000${suite}\u0000${judge}`;

/** The journal's lines again, without those that go; `add` is told of each that stays and of its bytes. */
function* rewritten<T>(
  lines: Iterable<T>,
  keep: (line: T) => boolean,
  add: (line: T, bytes: number) => void,
): Generator<Buffer> {
  for (const line of lines) {
    if (!keep(line)) continue;
    const data = Buffer.from(`${JSON.stringify(line)}\n`);
    add(line, data.length);
    yield data;
  }
}

function every<T>(values: Iterable<T>, test: (value: T) => boolean): boolean {
  for (const value of values) if (!test(value)) return false;
  return true;
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
    return openSync(path, 'wx+', 0o600);
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
