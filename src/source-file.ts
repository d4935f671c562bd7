import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { AuditError } from './errors.ts';

/** A file of another tool. Every form of its content is made once, when it is asked for. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: Buffer;
  /** The whole file as one JSON value. @throws AuditError `data` where it is not. */
  json(): unknown;
  /** JSON lines; blank ones are left out. @throws AuditError `data` naming the first line that is not JSON. */
  lines(): readonly SourceLine[];
}

export interface SourceLine {
  /** `line 3`. */
  readonly where: string;
  readonly value: unknown;
}

/** Node holds no longer text. */
const largestText = 500 * 2 ** 20;

/** @throws AuditError `data` when the file is missing or unreadable. */
export function openSource(path: string): SourceFile {
  const bytes = readBytes(path);
  let json: { value: unknown } | undefined;
  let lines: SourceLine[] | undefined;
  return {
    path,
    bytes,
    json: () => (json ??= { value: parseJson(decodeText(bytes, path), path, 'document') }).value,
    lines: () => (lines ??= parseLines(bytes, path)),
  };
}

function readBytes(path: string): Buffer {
  try {
    if (statSync(path).isDirectory())
      throw new AuditError('data', `${path}: is a folder`, { hint: 'give the file inside' });
    return readFileSync(path);
  } catch (error) {
    if (error instanceof AuditError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AuditError('data', `${path}: ${code === 'ENOENT' ? 'no such file' : message}`, {
      hint: 'check the path',
      cause: error,
    });
  }
}

/** UTF-8, with or without a byte order mark. @throws AuditError `data`. */
export function decodeText(bytes: Buffer, path: string): string {
  if (bytes.length > largestText)
    throw new AuditError('data', `${path}: is larger than 500 MiB`, {
      hint: 'split it, or give fewer samples',
    });
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

function parseLines(bytes: Buffer, path: string): SourceLine[] {
  const lines: SourceLine[] = [];
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    const text = decodeText(bytes.subarray(start, end), path);
    const where = `line ${number}`;
    if (text.trim() !== '') lines.push({ where, value: parseJson(text, path, where) });
    start = end + 1;
  }
  return lines;
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

/** The file as JSON, or null where it is none: for telling formats apart. */
export function jsonOrNull(file: SourceFile): unknown {
  if (!/^(?:\uFEFF)?\s*[[{]/.test(file.bytes.toString('utf8', 0, 64))) return null;
  try {
    return file.json();
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

/** The first line as JSON, or null. */
export function firstLine({ bytes, path }: SourceFile): unknown {
  const end = bytes.indexOf(10);
  try {
    const text = decodeText(bytes.subarray(0, end < 0 ? bytes.length : end), path);
    return parseJson(text, path, 'line 1');
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
