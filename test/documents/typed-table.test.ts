import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { type Columns, encodeTable, type TypedRow } from '../../src/documents/typed-table.ts';

const columns = {
  name: 'text',
  count: 'integer',
  rate: 'number',
  right: 'boolean',
  logs: 'numbers',
  judges: 'texts',
} as const satisfies Columns;
const rows: readonly TypedRow<typeof columns>[] = [
  { name: '=1+1', count: 3, rate: 0.5, right: true, logs: [-0.25, null, -1.5], judges: ['a', 'b'] },
  { name: 'say "x",\nnow', count: null, rate: null, right: null, logs: [], judges: [] },
  { name: null, count: -7, rate: -0.125, right: false, logs: null, judges: null },
];
const bytes = (format: 'csv' | 'jsonl' | 'parquet', given: Iterable<(typeof rows)[number]> = rows) =>
  Buffer.concat([...encodeTable(columns, given, format)]);
const bufferOf = (data: Buffer) =>
  data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;

describe('a typed table', () => {
  it('as CSV quotes text, defuses formulas and leaves null empty', () => {
    expect(bytes('csv').toString()).toBe(
      [
        'name,count,rate,right,logs,judges',
        `"'=1+1",3,0.5,true,"[-0.25,null,-1.5]","[""a"",""b""]"`,
        '"say ""x"",\nnow",,,,"[]","[]"',
        ',-7,-0.125,false,,',
        '',
      ].join('\r\n'),
    );
  });

  it('as JSON lines is the rows', () => {
    const lines = bytes('jsonl').toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(rows);
  });

  it('as Parquet reads back with its types', async () => {
    const file = bufferOf(bytes('parquet'));
    // The reader says undefined of a list that is null.
    const read = (await parquetReadObjects({ file })).map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? null])),
    );
    expect(read).toEqual(
      rows.map((row) => ({ ...row, count: row.count === null ? null : BigInt(row.count) })),
    );
    const { children } = parquetSchema(parquetMetadata(file));
    expect(children.map(({ element }) => element.type ?? element.converted_type)).toEqual([
      ...['BYTE_ARRAY', 'INT64', 'DOUBLE', 'BOOLEAN', 'LIST', 'LIST'],
    ]);
    expect(children[4]!.children[0]!.children[0]!.element.type).toBe('FLOAT');
  });

  it('as Parquet has a row group for every 4096 rows, and none is lost', async () => {
    const many = Array.from({ length: 9000 }, (_, count) => ({ ...rows[0]!, count }));
    const file = bufferOf(bytes('parquet', many));
    const { row_groups: groups } = parquetMetadata(file);
    expect(groups.map(({ num_rows: n }) => Number(n))).toEqual([4096, 4096, 808]);
    const read = await parquetReadObjects({ file, columns: ['count'] });
    expect(read.map(({ count }) => Number(count))).toEqual(many.map(({ count }) => count));
  });

  it('may be empty', async () => {
    expect(await parquetReadObjects({ file: bufferOf(bytes('parquet', [])) })).toEqual([]);
    expect(bytes('csv', []).toString()).toBe('name,count,rate,right,logs,judges\r\n');
  });
});
