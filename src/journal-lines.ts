import { closeSync, readSync } from 'node:fs';
import type { z } from 'zod';
import { AuditError } from './errors.ts';
import { diskError, openIfThere } from './files.ts';
import type { LineIndex } from './line-index.ts';
import { linesOf } from './lines.ts';
import type { Records } from './records.ts';

/** Reading a journal's file. */

/**
 * Reads a journal without touching it; a torn last line is left out, a missing file is empty.
 * @throws AuditError `store` for a damaged line before the last, with its number.
 */
export function readJournal<T>(path: string, schema: z.ZodType<T>): T[] {
  return Array.from(checkedLines(path, schema), ({ line }) => line);
}

/** As `readJournal`: checked now, and read from the file each time it is gone through. */
export function storedJournal<T>(path: string, schema: z.ZodType<T>): Iterable<T> {
  let bytes = 0;
  for (const { end } of checkedLines(path, schema)) bytes = end;
  return { [Symbol.iterator]: () => storedLines<T>(path, bytes) };
}

/** As `readJournal`, but a damaged line is left out and said to be damaged. */
export function salvageJournal<T>(
  path: string,
  schema: z.ZodType<T>,
): { readonly lines: T[]; readonly problems: string[] } {
  const problems: string[] = [];
  const found = checkedLines(path, schema, ({ message }) => problems.push(message));
  return { lines: Array.from(found, ({ line }) => line), problems };
}

/**
 * The whole lines and where each ends, read one after the other.
 * `damaged`: what is done about a line that cannot be read, beside leaving it out.
 */
export function* checkedLines<T>(
  path: string,
  schema: z.ZodType<T>,
  damaged: (error: AuditError) => void = (error) => {
    throw error;
  },
): Generator<{ readonly line: T; readonly end: number }> {
  let number = 0;
  for (const { text, end } of rawLines(path)) {
    number++;
    try {
      yield { line: parseLine(text, schema, path, number), end };
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      damaged(error);
    }
  }
}

/**
 * The lines as far as a byte of the file, which were checked when it was opened, or written since.
 * @throws AuditError `store` where the file is shorter by now.
 */
export function* storedLines<T>(path: string, bytes: number): Generator<T> {
  let read = 0;
  for (const { text, end } of rawLines(path)) {
    if (end > bytes) return;
    read = end;
    yield JSON.parse(text) as T;
  }
  if (read === bytes) return;
  throw new AuditError('store', `${path}: was taken away or cut while it was read`, {
    hint: 'another process writes in this folder: run the same command again when it is done',
  });
}

function* rawLines(path: string): Generator<{ readonly text: string; readonly end: number }> {
  const descriptor = openIfThere(path);
  if (descriptor === null) return;
  try {
    for (const { line, end, whole } of linesOf((chunk) => readFrom(descriptor, chunk, path))) {
      if (whole) yield { text: line.toString('utf8'), end };
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Part of an open file as text. */
export function readBytes(descriptor: number, start: number, length: number, path: string): string {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const count = readFrom(descriptor, bytes.subarray(at), path, start + at);
    if (count === 0) throw new Error(`internal: ${path} is shorter than what was written to it`);
    at += count;
  }
  return bytes.toString('utf8');
}

function readFrom(descriptor: number, chunk: Buffer, path: string, position: number | null = null): number {
  try {
    return readSync(descriptor, chunk, 0, chunk.length, position);
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

/**
 * An arm's part of the lines that `index` has by now. They are read through once when they are first asked for, and once
 * more after the file has been rewritten.
 */
export function orderedLines<T>(
  index: () => LineIndex,
  part: string,
  readAt: (line: number) => T,
  place: () => (record: T) => number,
): Records<T> {
  let known: { readonly of: LineIndex; readonly order: Uint32Array } | undefined;
  const sorted = () => {
    const of = index();
    if (known?.of === of && known.order.length === of.countOf(part)) return known.order;
    const lines = Uint32Array.from(of.ofPart(part));
    const placeOf = place();
    const places = Float64Array.from(lines, (line) => placeOf(readAt(line)));
    const ranks = Uint32Array.from(lines.keys()).sort((a, b) => places[a]! - places[b]! || a - b);
    known = { of, order: ranks.map((rank) => lines[rank]!) };
    return known.order;
  };
  return {
    get length() {
      return index().countOf(part);
    },
    slice: (start, end) => Array.from(sorted().subarray(start, end), readAt),
    *[Symbol.iterator]() {
      for (const line of sorted()) yield readAt(line);
    },
  };
}
