import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { type CsvError, parse } from 'csv-parse/sync';
import { AuditError } from './errors.ts';
import { readText } from './files.ts';

/** One row of a data file. */
export interface Row {
  /** Where the row starts in the file, from 1. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Something wrong with one row. */
export interface RowProblem {
  readonly line: number;
  readonly text: string;
}

const listed = 20;

/**
 * Reads JSON lines (`.jsonl`, `.ndjson`: one object a line) or CSV (`.csv`: RFC 4180 with a header row; a byte order
 * mark and line breaks inside quotes are fine). Blank lines are skipped.
 * `problems`: takes the malformed lines, for a reader that has more to say about the file; they are left out of the rows.
 * @throws AuditError `data` that lists every malformed line, unless `problems` takes them; also when there is no row at all.
 */
export function readRows(path: string, problems?: RowProblem[]): Row[] {
  const extension = extname(path).toLowerCase();
  if (!['.jsonl', '.ndjson', '.csv'].includes(extension)) {
    throw new AuditError('data', `${path}: expected a .jsonl, .ndjson or .csv file`, {
      hint: 'convert the file, or rename it to what it is',
    });
  }
  const text = readUnicode(path);
  const malformed: RowProblem[] = [];
  const rows = extension === '.csv' ? parseCsv(text, path, malformed) : parseJsonLines(text, malformed);
  if (problems) problems.push(...malformed);
  else refuseProblems(path, malformed);
  if (rows.length + malformed.length === 0) {
    throw new AuditError('data', `${path}: holds no rows`, { hint: 'check that this is the right file' });
  }
  return rows;
}

/** @throws AuditError `data` with all problems in the file's order, the list cut at 20. */
export function refuseProblems(
  path: string,
  problems: readonly RowProblem[],
  hint = 'mend the lines named above',
): void {
  if (problems.length === 0) return;
  const lines = [...problems]
    .sort((a, b) => a.line - b.line)
    .slice(0, listed)
    .map(({ line, text }) => `line ${line}: ${text}`);
  const more = problems.length - lines.length;
  throw new AuditError(
    'data',
    `${path}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`,
    {
      hint,
      problems: more > 0 ? [...lines, `and ${more} more`] : lines,
    },
  );
}

function readUnicode(path: string): string {
  const text = readText(path, 'data', 'data file');
  if (text.includes('\uFFFD') && !isUtf8(readFileSync(path))) {
    throw new AuditError('data', `${path}: is not UTF-8 text`, { hint: 'save the file as UTF-8' });
  }
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function parseJsonLines(text: string, problems: RowProblem[]): Row[] {
  const rows: Row[] = [];
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue;
    const line = index + 1;
    try {
      const value: unknown = JSON.parse(content);
      if (isObject(value)) rows.push({ line, values: value });
      else problems.push({ line, text: 'expected a JSON object' });
    } catch (error) {
      problems.push({ line, text: `is not JSON (${(error as Error).message})` });
    }
  }
  return rows;
}

function parseCsv(text: string, path: string, problems: RowProblem[]): Row[] {
  const [header, ...records] = splitCsv(text, path);
  if (!header) return [];
  for (const name of new Set(header.fields)) {
    if (header.fields.indexOf(name) === header.fields.lastIndexOf(name)) continue;
    problems.push({ line: header.line, text: `column ${JSON.stringify(name)} appears more than once` });
  }
  return records.flatMap(({ line, fields }) => {
    if (fields.length !== header.fields.length) {
      problems.push({ line, text: `has ${fields.length} fields, the header ${header.fields.length}` });
      return [];
    }
    return [
      { line, values: Object.fromEntries(header.fields.map((name, column) => [name, fields[column]])) },
    ];
  });
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

function splitCsv(text: string, path: string): CsvRecord[] {
  let parsed: readonly { record: string[]; raw: string }[];
  try {
    parsed = parse(text, { relax_column_count: true, raw: true }) as unknown as typeof parsed;
  } catch (error) {
    const { message, lines } = error as CsvError & { lines?: number };
    throw new AuditError('data', `${path}: is not CSV: ${message}`, {
      hint: 'quote fields that hold commas, quotes or line breaks, and double the quotes inside (RFC 4180)',
      problems: lines === undefined ? [] : [`line ${lines}: ${message}`],
    });
  }
  let line = 1;
  return parsed.flatMap(({ record, raw }) => {
    const start = line;
    line += raw.split(/\r\n|\n|\r/).length - 1;
    return record.every((field) => field === '') ? [] : [{ line: start, fields: record }];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
