import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../../src/audit.ts';
import { exportRun } from '../../src/commands/export.ts';
import { report } from '../../src/commands/report.ts';
import { itemColumns } from '../../src/documents/item-rows.ts';
import { resultColumns } from '../../src/documents/result-rows.ts';
import { type Columns, type ColumnType, encodeTable } from '../../src/documents/typed-table.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';

/** Parquet as the programs open it that people use. PYTHON names an interpreter that has pandas, pyarrow and duckdb. */
const python = process.env.PYTHON ?? 'python3';
const hasPeers =
  spawnSync(python, ['-c', 'import pandas, pyarrow, duckdb'], { stdio: 'ignore' }).status === 0;
const skipped = hasPeers
  ? null
  : `${python} lacks pandas, pyarrow or duckdb: set PYTHON to one that has them`;

let folder: string;
let tables: Record<'items' | 'results' | 'hostile', string>;

beforeAll(async () => {
  folder = mockFolder();
  tables = {
    items: join(folder, 'items.parquet'),
    results: join(folder, 'results.parquet'),
    hostile: join(folder, 'hostile.parquet'),
  };
  const { directory } = await audit(mockConfig, { directory: folder, builtin: mockParts() });
  await exportRun(directory, { format: 'parquet', out: tables.items }, quietContext);
  await report(directory, { format: 'parquet', out: tables.results }, quietContext);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = `
import json, sys
import duckdb, pandas, pyarrow.parquet
path = sys.argv[1]
table = pyarrow.parquet.read_table(path)
frame = pandas.read_parquet(path)
types = pandas.api.types
def kind(column):
    if types.is_bool_dtype(column): return 'boolean'
    if types.is_integer_dtype(column): return 'integer'
    if types.is_float_dtype(column): return 'number'
    if types.is_string_dtype(column) and column.map(lambda value: isinstance(value, str) or pandas.isna(value)).all(): return 'text'
    return 'object'
print(json.dumps({
    'arrow': {field.name: str(field.type) for field in table.schema},
    'pandas': {name: kind(frame[name]) if not frame[name].isna().all() else 'empty' for name in frame.columns},
    'holes': {name: bool(frame[name].isna().any()) for name in frame.columns},
    'nullable': {name: str(dtype) for name, dtype in pandas.read_parquet(path, dtype_backend='numpy_nullable').dtypes.items()},
    'duckdb': {row[0]: row[1] for row in duckdb.sql(f"describe select * from '{path}'").fetchall()},
    'rows': table.to_pylist(),
    'same': duckdb.sql(f"select * from '{path}'").to_arrow_table().to_pylist() == table.to_pylist(),
    'query': [[str(cell) for cell in row] for row in duckdb.sql(
        f"select arm, count(*), avg({sys.argv[2]}) from '{path}' group by arm order by arm").fetchall()],
}))
`;

interface Opened {
  readonly arrow: Record<string, string>;
  readonly pandas: Record<string, string>;
  readonly holes: Record<string, boolean>;
  readonly nullable: Record<string, string>;
  readonly duckdb: Record<string, string>;
  readonly rows: Record<string, unknown>[];
  readonly same: boolean;
  readonly query: string[][];
}

function open(path: string, averaged: string): Opened {
  const { status, stdout, stderr } = spawnSync(python, ['-c', program, path, averaged], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`python failed:\n${stderr}`);
  return JSON.parse(stdout);
}

const types = {
  text: ['string', 'VARCHAR', 'string'],
  integer: ['int64', 'BIGINT', 'Int64'],
  number: ['double', 'DOUBLE', 'Float64'],
  boolean: ['bool', 'BOOLEAN', 'boolean'],
  numbers: ['list<element: float>', 'FLOAT[]', 'object'],
  texts: ['list<element: string>', 'VARCHAR[]', 'object'],
} as const satisfies Record<ColumnType, readonly [arrow: string, duckdb: string, nullable: string]>;

function expectTypes({ arrow, duckdb, nullable, pandas, holes }: Opened, columns: Columns): void {
  const wanted = (place: 0 | 1 | 2) =>
    Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, types[type][place]]));
  expect(arrow).toEqual(wanted(0));
  expect(duckdb).toEqual(wanted(1));
  expect(nullable).toEqual(wanted(2));
  // pandas' own types have no empty integer or boolean.
  for (const [name, type] of Object.entries(columns)) {
    if (pandas[name] === 'empty') continue;
    const holed = { integer: 'number', boolean: 'object' } as Record<ColumnType, string>;
    const plain = type === 'numbers' || type === 'texts' ? 'object' : type;
    expect([name, pandas[name]]).toEqual([name, holes[name] ? (holed[type] ?? plain) : plain]);
  }
}

test('items open in pandas and DuckDB with their types and values', async ({ skip }) => {
  if (skipped) skip(skipped);
  const opened = open(tables.items, 'tokens');
  expectTypes(opened, itemColumns);
  const pieces: Uint8Array[] = [];
  const write = async (piece: Uint8Array) => void pieces.push(piece);
  await exportRun(
    join(folder, 'run'),
    { format: 'jsonl' },
    { ...quietContext, stdout: { isTerminal: false, write } },
  );
  const rows = Buffer.concat(pieces)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const rounded = (list: number[] | null) => list?.map(Math.fround) ?? null;
  expect(opened.rows).toEqual(
    rows.map((row) => ({
      ...row,
      logProbabilities: rounded(row.logProbabilities),
      choiceLogProbabilities: rounded(row.choiceLogProbabilities),
    })),
  );
  expect(opened.same).toBe(true);
  const ofBase = rows.filter(({ arm }) => arm === 'base');
  const [, count, average] = opened.query.find(([arm]) => arm === 'base')!;
  expect(Number(count)).toBe(ofBase.length);
  expect(Number(average)).toBeCloseTo(
    ofBase.reduce((sum, { tokens }) => sum + tokens, 0) / ofBase.length,
    12,
  );
});

test('the table of results opens with its types, null never NaN or 0', async ({ skip }) => {
  if (skipped) skip(skipped);
  const opened = open(tables.results, 'estimate');
  expectTypes(opened, resultColumns);
  expect(opened.same).toBe(true);
  const harm = opened.rows.find(
    ({ arm, quantity, metric }) => arm === 'base' && quantity === 'rate' && metric === 'harm',
  )!;
  expect(harm).toMatchObject({
    estimate: 20 / 60,
    numerator: 20,
    denominator: 60,
    pValue: null,
    against: null,
  });
});

test('hostile texts, empty lists and a file without rows are read by both', async ({ skip }) => {
  if (skipped) skip(skipped);
  const columns = { arm: 'text', count: 'integer', logs: 'numbers', names: 'texts' } as const;
  const texts = ['=1+1', 'nul \u0000', 'a","b\r\n', '\u202e\u001b[31m', '\u2028𝄞', ''];
  const rows = [
    ...texts.map((arm, count) => ({ arm, count, logs: [-0.5, null], names: [arm, null] })),
    { arm: null, count: null, logs: null, names: null },
    { arm: 'empty', count: Number.MAX_SAFE_INTEGER, logs: [], names: [] },
  ];
  writeFileSync(tables.hostile, Buffer.concat([...encodeTable(columns, rows, 'parquet')]));
  const opened = open(tables.hostile, 'count');
  expect(opened.rows).toEqual(rows);
  expect(opened.same).toBe(true);
  writeFileSync(tables.hostile, Buffer.concat([...encodeTable(columns, [], 'parquet')]));
  const empty = open(tables.hostile, 'count');
  expect([empty.rows, empty.arrow.logs]).toEqual([[], 'list<element: float>']);
});
