import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { csvCell } from '../csv-cell.ts';

/** Tables whose columns have types, written as CSV, JSON lines or Parquet a group of rows at a time. */

export const tableFormats = ['jsonl', 'csv', 'parquet'] as const;
export type TableFormat = (typeof tableFormats)[number];

/** `numbers` is a list of 32-bit floats, `texts` a list of strings; every cell may be null. */
export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'numbers' | 'texts';
export type Columns = Readonly<Record<string, ColumnType>>;
export type TypedRow<C extends Columns> = { readonly [K in keyof C]: CellOf<C[K]> | null };
type CellOf<T extends ColumnType> = T extends 'text'
  ? string
  : T extends 'boolean'
    ? boolean
    : T extends 'numbers'
      ? readonly (number | null)[]
      : T extends 'texts'
        ? readonly (string | null)[]
        : number;

/** A row group: what is held in memory at once. */
const groupRows = 4096;

/**
 * The bytes of a table, a piece for every 4096 rows. CSV is UTF-8 by RFC 4180 with a header row, null an empty cell and
 * lists as JSON; Parquet is Snappy-compressed with columns STRING, INT64, DOUBLE, BOOLEAN, LIST<FLOAT> and LIST<STRING>.
 */
export function* encodeTable<C extends Columns>(
  columns: C,
  rows: Iterable<TypedRow<C>>,
  format: TableFormat,
): Generator<Uint8Array> {
  if (format === 'parquet') yield* encodeParquet(columns, rows);
  else yield* encodeLines(columns, rows, format);
}

function* encodeLines<C extends Columns>(
  columns: C,
  rows: Iterable<TypedRow<C>>,
  format: 'csv' | 'jsonl',
): Generator<Uint8Array> {
  const names = Object.keys(columns);
  if (format === 'csv') yield Buffer.from(`${names.join(',')}\r\n`);
  for (const group of grouped(rows)) {
    const lines = group.map((row) =>
      format === 'csv'
        ? `${names.map((name) => cell(row[name] ?? null)).join(',')}\r\n`
        : jsonLine(Object.fromEntries(names.map((name) => [name, row[name] ?? null]))),
    );
    yield Buffer.from(lines.join(''));
  }
}

/** Unicode's other line ends are escaped: some readers break lines there. */
const jsonLine = (row: object) =>
  `${JSON.stringify(row).replace(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'string') return csvCell(value);
  return typeof value === 'object' ? csvCell(JSON.stringify(value)) : String(value);
}

function* encodeParquet<C extends Columns>(columns: C, rows: Iterable<TypedRow<C>>): Generator<Uint8Array> {
  const names = Object.keys(columns);
  const bytes = new ByteWriter();
  const schema = [
    { name: 'root', num_children: names.length },
    ...names.flatMap((name) => schemaOf(name, columns[name]!)),
  ];
  const parquet = new ParquetWriter({ writer: bytes, schema });
  const write = (group: readonly TypedRow<C>[]) => {
    const columnData = names.map((name) => ({
      name,
      data: group.map((row) => stored(row[name] ?? null, columns[name]!)),
    }));
    parquet.write({ columnData, rowGroupSize: Math.max(group.length, 1) });
  };
  let empty = true;
  for (const group of grouped(rows)) {
    empty = false;
    write(group);
    yield drain(bytes);
  }
  if (empty) write([]);
  parquet.finish();
  yield drain(bytes);
}

/** What was written since the last time; `offset`, the place in the whole file, goes on. */
function drain(writer: ByteWriter): Uint8Array {
  const written = new Uint8Array(writer.buffer.slice(0, writer.index));
  writer.index = 0;
  return written;
}

const stored = (value: unknown, type: ColumnType) =>
  type === 'integer' && value !== null ? BigInt(value as number) : value;

const string = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const physical = {
  text: string,
  integer: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
  numbers: { type: 'FLOAT' },
  texts: string,
} as const;

/** A column's part of the schema: a leaf, or the three levels of a list. */
function schemaOf(name: string, type: ColumnType): SchemaElement[] {
  const optional = { repetition_type: 'OPTIONAL' } as const;
  if (type !== 'numbers' && type !== 'texts') return [{ name, ...optional, ...physical[type] }];
  return [
    { name, ...optional, converted_type: 'LIST' as const, num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
    { name: 'element', ...optional, ...physical[type] },
  ];
}

function* grouped<T>(rows: Iterable<T>): Generator<T[]> {
  let group: T[] = [];
  for (const row of rows) {
    group.push(row);
    if (group.length < groupRows) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
