import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { AuditError, throwIfAborted } from '../errors.ts';
import { lineSplitter, type RawLine } from '../lines.ts';
import type { Progress } from '../progress.ts';
import { type RowProblem, refuseProblems } from '../table.ts';

/** Files of any size, read a line at a time. */

export interface Watch {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const chunkBytes = 1 << 20;
/** A smaller file is read before anybody could look. */
const worthShowing = 64 << 20;
/** A file with this many problems is another kind of file: the rest of it is not read. */
const enoughProblems = 1000;

/**
 * Calls `visit` with every line, without its end, and its number from 1; `whole` is false for a last line that no line break ends.
 * @throws AuditError `data` when there is no such file; `interrupted` when the signal fires.
 */
export async function eachLine(
  path: string,
  visit: (text: string, line: number, whole: boolean) => void,
  { onProgress, signal }: Watch = {},
): Promise<void> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const splitter = lineSplitter();
    let [line, read] = [0, 0];
    const tell = ({ line: bytes, whole }: RawLine) =>
      visit(withoutMark(bytes.toString('utf8'), line), ++line, whole);
    for (;;) {
      throwIfAborted(signal);
      const { bytesRead } = await file.read(chunk, 0, chunkBytes);
      if (bytesRead === 0) break;
      read += bytesRead;
      for (const found of splitter.add(chunk.subarray(0, bytesRead))) tell(found);
      if (size >= worthShowing)
        onProgress?.({
          stage: 'read',
          label: basename(path),
          done: Math.round(read / 1e6),
          total: Math.round(size / 1e6),
          unit: 'MB',
        });
    }
    const rest = splitter.rest();
    if (rest) tell(rest);
  } finally {
    await file.close();
  }
}

const withoutMark = (text: string, line: number) =>
  line === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text;

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AuditError('data', `${path}: ${code === 'ENOENT' ? 'no such file' : message}`, {
      hint: 'aftertune replay --help says what a folder of outcomes holds',
    });
  }
}

export type RowVisit = (values: Readonly<Record<string, unknown>>, problem: (text: string) => void) => void;

/**
 * Calls `visit` with every row of a JSON-lines file. Python's NaN and Infinity are read as null.
 * @throws AuditError `data` that lists the lines with problems, the first 20 of them.
 */
export async function eachRow(path: string, visit: RowVisit, watch: Watch = {}): Promise<void> {
  const problems: RowProblem[] = [];
  await eachLine(
    path,
    (text, line) => {
      if (text.trim() === '') return;
      const values = parseRow(text);
      const problem = (what: string) => void problems.push({ line, text: what });
      if (typeof values === 'string') problem(values);
      else visit(values, problem);
      if (problems.length >= enoughProblems) refuseProblems(path, problems);
    },
    watch,
  );
  refuseProblems(path, problems);
}

/** The row, or what is wrong with it. */
function parseRow(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const standard = text.replace(/"(?:\\.|[^"\\])*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
      token.startsWith('"') ? token : 'null',
    );
    try {
      value = JSON.parse(standard);
    } catch {
      return `is not JSON (${(error as Error).message})`;
    }
  }
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : 'expected a JSON object';
}
