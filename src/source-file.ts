import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { AuditError } from './errors.ts';
import { linesOf, type RawLine } from './lines.ts';

/** A file of another tool. Every form of its content is made when it is asked for. */
export interface SourceFile {
  readonly path: string;
  /** Its first 64 KiB. */
  readonly head: Buffer;
  /** All of it. @throws AuditError `data` where it is larger than can be held. */
  readonly bytes: Buffer;
  /** The whole file as one JSON value. @throws AuditError `data` where it is not. */
  json(): unknown;
  /** JSON lines, read one at a time from a file of any size; blank ones are left out. @throws AuditError `data` naming the first line that is not JSON. */
  lines(): Iterable<SourceLine>;
  /** The first line as JSON, or null; `alone`: nothing comes after it. */
  first(): { readonly value: unknown; readonly alone: boolean };
}

export interface SourceLine {
  /** `line 3`. */
  readonly where: string;
  readonly value: unknown;
}

/** Node holds no longer text. */
const largestText = 500 * 2 ** 20;
const largestFile = 2 ** 31 - 1;

/** `onRead` is told how many bytes of a file of lines were read, of how many. @throws AuditError `data` when the file is missing or unreadable. */
export function openSource(path: string, onRead?: (done: number, size: number) => void): SourceFile {
  const { head, size } = readHead(path);
  const once = <T>(make: () => T) => {
    let made: { value: T } | undefined;
    return () => (made ??= { value: make() }).value;
  };
  const bytes = once(() => readBytes(path, size));
  return {
    path,
    head,
    get bytes() {
      return bytes();
    },
    json: once(() => {
      if (size > largestText) throw tooLarge(path);
      return parseJson(decodeText(bytes(), path), path, 'document');
    }),
    lines: () => parsedLines(path, size, onRead),
    first: once(() => readFirst(path)),
  };
}

function readHead(path: string): { head: Buffer; size: number } {
  return reading(path, () => {
    const size = statSync(path).size;
    if (statSync(path).isDirectory())
      throw new AuditError('data', `${path}: is a folder`, { hint: 'give the file inside' });
    const file = openSync(path, 'r');
    try {
      const head = Buffer.alloc(1 << 16);
      return { head: head.subarray(0, readSync(file, head)), size };
    } finally {
      closeSync(file);
    }
  });
}

function readBytes(path: string, size: number): Buffer {
  if (size > largestFile)
    throw new AuditError('data', `${path}: is larger than 2 GiB`, {
      hint: 'split it, or give fewer samples',
    });
  return reading(path, () => readFileSync(path));
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AuditError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AuditError('data', `${path}: ${code === 'ENOENT' ? 'no such file' : message}`, {
      hint: 'check the path',
      cause: error,
    });
  }
}

function* rawLines(path: string): Generator<RawLine> {
  const file = reading(path, () => openSync(path, 'r'));
  try {
    yield* linesOf(
      (chunk) => reading(path, () => readSync(file, chunk)),
      (bytes) => {
        if (bytes > largestText) throw tooLarge(path);
      },
    );
  } finally {
    closeSync(file);
  }
}

const tooLarge = (path: string) =>
  new AuditError('data', `${path}: is larger than 500 MiB`, {
    hint: 'split it, or give fewer samples; only files of JSON lines may be larger',
  });

/** UTF-8, with or without a byte order mark. @throws AuditError `data`. */
export function decodeText(bytes: Buffer, path: string): string {
  if (bytes.length > largestText) throw tooLarge(path);
  if (!isUtf8(bytes))
    throw new AuditError('data', `${path}: is not UTF-8 text`, {
      hint: 'the file is damaged, or of another format',
    });
  const text = bytes.toString('utf8');
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** Strings, and the constants that Python writes into JSON where a number is not finite. */
const constants = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|-?Infinity\b|\bNaN\b/g;

/** JSON as Python writes it: NaN and Infinity are null. @throws AuditError `data` saying where the text breaks off. */
export function parseJson(text: string, path: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(text.replace(constants, (match) => (match.startsWith('"') ? match : 'null')));
    } catch {
      const cut = /Unexpected end|Unterminated/.test((error as Error).message);
      throw new AuditError('data', `${path}: ${where} is not JSON: ${(error as Error).message}`, {
        hint: cut
          ? 'the file is cut off: copy it again, or let the tool finish'
          : 'the file is damaged, or of another format',
        cause: error,
      });
    }
  }
}

function* parsedLines(
  path: string,
  size: number,
  onRead: ((done: number, size: number) => void) | undefined,
): Generator<SourceLine> {
  let number = 0;
  for (const { line, end } of rawLines(path)) {
    number++;
    onRead?.(Math.min(end, size), size);
    const text = decodeText(line, path);
    const where = `line ${number}`;
    if (text.trim() !== '') yield { where, value: parseJson(text, path, where) };
  }
}

function readFirst(path: string): { value: unknown; alone: boolean } {
  let first: { value: unknown } | null = null;
  try {
    for (const { line } of rawLines(path)) {
      if (!first) first = { value: parseJson(decodeText(line, path), path, 'line 1') };
      else if (line.some((byte) => byte > 32)) return { ...first, alone: false };
    }
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
  }
  return { value: first?.value ?? null, alone: true };
}

/** A value as the schema has it. @throws AuditError `data` naming file, place, field and value. */
export function readAs<T>(schema: z.ZodType<T>, value: unknown, { path }: SourceFile, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const found = issue.path.reduce<unknown>(
      (inside, key) => (inside as Record<PropertyKey, unknown> | null)?.[key],
      value,
    );
    return `${where}: ${issue.path.join('.') || 'value'}: ${issue.message}, found ${shown(found)}`;
  });
  throw new AuditError('data', `${path}: ${problems[0]}`, {
    problems: problems.slice(1, 20),
    hint: 'the file is damaged, or of a version this importer does not read',
  });
}

/** A value outside the known ones. */
export function unknownValue(
  { path }: SourceFile,
  where: string,
  field: string,
  value: unknown,
  known: string,
): AuditError {
  return new AuditError('data', `${path}: ${where}: ${field} is ${shown(value)}, expected ${known}`, {
    hint: 'nothing was imported: mend the value, or leave the row out',
  });
}

/** @throws AuditError `data` for the first id that was there already. */
export function refuseDuplicate(seen: Set<string>, id: string, { path }: SourceFile, where: string): void {
  if (seen.has(id))
    throw new AuditError('data', `${path}: ${where}: a second outcome of ${shown(id)}`, {
      hint: 'leave one of the two out',
    });
  seen.add(id);
}

/** JSON, shortened. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** The file as JSON, or null where it is none, as lines of JSON are not: for telling formats apart. */
export function jsonOrNull(file: SourceFile): unknown {
  if (!/^(?:\uFEFF)?\s*[[{]/.test(file.head.toString('utf8', 0, 64))) return null;
  const { value, alone } = file.first();
  if (value !== null && !alone) return null;
  try {
    return file.json();
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

/** The first line as JSON, or null. */
export const firstLine = (file: SourceFile): unknown => file.first().value;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
