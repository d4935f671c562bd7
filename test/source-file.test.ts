import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importerOf } from '../src/importers.ts';
import { firstLine, jsonOrNull, openSource } from '../src/source-file.ts';
import { auditErrorOf } from './audit-error.ts';
import { temporaryFile, temporaryFolder } from './temporary-folder.ts';

const source = (text: string) => openSource(temporaryFile('source.jsonl', text));
const valuesOf = (text: string) => [...source(text).lines()].map(({ where, value }) => [where, value]);

describe('a file of lines', () => {
  it('is read a line at a time, wherever lines and chunks end', () => {
    // Lines longer than a chunk, and others that end beside its end.
    const texts = [5, 2 ** 20 - 8, 3 * 2 ** 20 + 1, 1, 2 ** 20].map((length) => 'ö'.repeat(length / 2 + 1));
    const file = texts.map((text) => `${JSON.stringify(text)}\n`).join('');
    expect(valuesOf(file).map(([, value]) => value)).toEqual(texts);
    expect(valuesOf(file.trimEnd()).map(([, value]) => value)).toEqual(texts);
  });

  it('leaves blank lines out and names the others by their place', () => {
    expect(valuesOf('\uFEFF1\r\n\n  \n{"a":NaN}')).toEqual([
      ['line 1', 1],
      ['line 4', { a: null }],
    ]);
    expect(valuesOf('')).toEqual([]);
    expect(valuesOf('\n\n')).toEqual([]);
  });

  it('names the first line that is none', async () => {
    expect((await auditErrorOf(() => valuesOf('1\n{"a":\n'))).message).toContain('line 2 is not JSON');
  });

  it('is told from a document, which may be one line', () => {
    expect(jsonOrNull(source('{"a":1}\n{"a":2}\n'))).toBeNull();
    expect(jsonOrNull(source('{"a":1}\n\n \n'))).toEqual({ a: 1 });
    expect(jsonOrNull(source('{"a":1}'))).toEqual({ a: 1 });
    expect(jsonOrNull(source('{\n"a":1\n}\n'))).toEqual({ a: 1 });
    expect(firstLine(source('{"a":1}\n{"a":2}\n'))).toEqual({ a: 1 });
    expect(firstLine(source('{\n"a":1\n}\n'))).toBeNull();
  });
});

it('a document over 500 MiB is refused before it is read', async () => {
  const path = join(temporaryFolder(), 'large.json');
  writeFileSync(path, '{\n');
  truncateSync(path, 500 * 2 ** 20 + 1);
  const file = openSource(path);
  const error = await auditErrorOf(() => file.json());
  expect([error.code, error.message]).toEqual(['data', `${path}: is larger than 500 MiB`]);
  expect(error.hint).toContain('JSON lines may be larger');
});

it('a file that is not there, and a folder, are named', async () => {
  expect((await auditErrorOf(() => openSource('/nowhere/a.jsonl'))).message).toContain('no such file');
  expect((await auditErrorOf(() => openSource(temporaryFolder()))).message).toContain('is a folder');
  expect((await auditErrorOf(() => importerOf(source('{"a":1}\n{"a":2}\n'), 'auto'))).code).toBe('data');
});
