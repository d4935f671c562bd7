import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRows } from '../src/table.ts';
import { auditErrorOf } from './audit-error.ts';
import { temporaryFile } from './temporary-folder.ts';

test('CSV keeps line breaks, commas and quotes inside fields, and knows where each row starts', () => {
  const path = temporaryFile(
    'rows.csv',
    '\uFEFFid,text\r\n1,"two\r\nlines"\r\n\r\n2,"say ""hi"", then"\r\n3,\r\n',
  );
  expect(readRows(path)).toEqual([
    { line: 2, values: { id: '1', text: 'two\r\nlines' } },
    { line: 5, values: { id: '2', text: 'say "hi", then' } },
    { line: 6, values: { id: '3', text: '' } },
  ]);
});

test('JSON lines skip blank lines and take either line ending', () => {
  const path = temporaryFile('rows.jsonl', '\uFEFF{"a":1}\r\n\n  {"a":"x\\ny"}');
  expect(readRows(path)).toEqual([
    { line: 1, values: { a: 1 } },
    { line: 3, values: { a: 'x\ny' } },
  ]);
});

test('every malformed line is named at once, and the list is cut at twenty', async () => {
  const error = await auditErrorOf(() => readRows(temporaryFile('a.jsonl', '{"a":1}\n[1]\nnope\n{"a"\n')));
  expect(error.message).toMatch(/a\.jsonl: 3 problems$/);
  expect(error.problems).toEqual([
    'line 2: expected a JSON object',
    expect.stringMatching(/^line 3: is not JSON/),
    expect.stringMatching(/^line 4: is not JSON/),
  ]);
  const many = await auditErrorOf(() => readRows(temporaryFile('b.jsonl', 'x\n'.repeat(25))));
  expect(many.problems).toHaveLength(21);
  expect(many.problems.at(-1)).toBe('and 5 more');
});

test('CSV rows of another width and doubled columns are named', async () => {
  const error = await auditErrorOf(() => readRows(temporaryFile('a.csv', 'a,b,a\n1,2,3\n1,2\n1,2,3,4\n')));
  expect(error.problems).toEqual([
    'line 1: column "a" appears more than once',
    'line 3: has 2 fields, the header 3',
    'line 4: has 4 fields, the header 3',
  ]);
});

test('a quotation mark that never closes, text that is not UTF-8, an empty file and an unknown kind are refused', async () => {
  const refusal = async (name: string, content: string | Uint8Array) =>
    (await auditErrorOf(() => readRows(temporaryFile(name, content)))).message.replace(/^.*\/(?=[^/]+:)/, '');
  expect(await refusal('a.csv', 'a,b\n1,"open\n')).toMatch(/^a\.csv: is not CSV: Quote Not Closed/);
  expect(await refusal('a.csv', Uint8Array.from([97, 10, 0xe9, 10]))).toBe('a.csv: is not UTF-8 text');
  expect(await refusal('a.csv', 'a,b\n')).toBe('a.csv: holds no rows');
  expect(await refusal('a.jsonl', '\n\n')).toBe('a.jsonl: holds no rows');
  expect(await refusal('a.parquet', 'x')).toBe('a.parquet: expected a .jsonl, .ndjson or .csv file');
  expect((await auditErrorOf(() => readRows('/nowhere/at/all.csv'))).message).toBe(
    'data file: /nowhere/at/all.csv: no such file',
  );
});

const field = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\uFFFD'));

test('any fields written by RFC 4180 come back as they were', () => {
  const write = (fields: readonly string[]) =>
    fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(',');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uuid(), field, field), { minLength: 1, maxLength: 8 }), (records) => {
      const path = temporaryFile('fuzz.csv', [['id', 'x', 'y'], ...records].map(write).join('\r\n'));
      expect(readRows(path).map(({ values }) => [values.id, values.x, values.y])).toEqual(records);
    }),
    { numRuns: 25 },
  );
});

test('arbitrary bytes are read or refused, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('a.csv', 'a.jsonl'),
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc.string().map((text) => new TextEncoder().encode(text)),
      ),
      async (name, bytes) => {
        const path = temporaryFile(name, bytes);
        try {
          expect(readRows(path).length).toBeGreaterThan(0);
        } catch {
          expect((await auditErrorOf(() => readRows(path))).code).toBe('data');
        }
      },
    ),
    { numRuns: 60 },
  );
});
