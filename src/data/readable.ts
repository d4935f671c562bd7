import { extname } from 'node:path';
import { AuditError } from '../errors.ts';
import { readRows } from '../table.ts';
import type { DataSource } from './sources.ts';

type Values = Readonly<Record<string, unknown>>;

/**
 * The rows of a data set's file, CSV or Parquet, under our columns; a column without a value is left out of its row.
 * @throws AuditError `data` when the file is damaged, empty or lacks a column.
 */
export async function readOriginal(path: string, { columns }: DataSource): Promise<Values[]> {
  const rows =
    extname(path) === '.parquet'
      ? await readParquet(path, columns)
      : readRows(path).map(({ values }) => values);
  const found = Object.keys(rows[0] ?? {});
  const missing = Object.values(columns).filter((column) => !found.includes(topOf(column)));
  if (rows.length === 0 || missing.length > 0) {
    throw new AuditError(
      'data',
      `${path}: ${rows.length === 0 ? 'holds no rows' : `lacks the columns ${missing.join(', ')}`}`,
      {
        hint: `this is not the file that was expected${found.length > 0 ? `; it has ${found.join(', ')}` : ''}`,
      },
    );
  }
  return rows.map((row) => rename(row, columns));
}

/** One JSON object a line. */
export function toJsonLines(rows: readonly Values[]): string {
  return rows.map((row) => `${JSON.stringify(row, (_, value: unknown) => plain(value))}\n`).join('');
}

/** Parquet's 64-bit integers are BigInt in JavaScript. */
const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value);

const topOf = (column: string) => column.split('.')[0]!;

function rename(row: Values, columns: DataSource['columns']): Values {
  const entries = Object.entries(columns).map(([ours, theirs]) => [
    ours,
    theirs.split('.').reduce<unknown>((value, key) => (value as Values | null | undefined)?.[key], row),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null));
}

async function readParquet(path: string, columns: DataSource['columns']): Promise<Values[]> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  // Of several columns that cannot be read hyparquet awaits the first alone; the others must not end the process.
  const unheard = () => {};
  process.on('unhandledRejection', unheard);
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const there = new Set(metadata.schema.map(({ name }) => name));
    const wanted = [...new Set(Object.values(columns).map(topOf))].filter((name) => there.has(name));
    return (await parquetReadObjects({ file, metadata, columns: wanted })) as Values[];
  } catch (error) {
    throw new AuditError('data', `${path}: is not a Parquet file that can be read`, {
      hint: 'the file may be damaged: fetch it again',
      cause: error,
    });
  } finally {
    await new Promise(setImmediate);
    process.off('unhandledRejection', unheard);
  }
}
