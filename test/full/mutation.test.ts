import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { mutants } from './mutants.ts';

/** The statistics' tests notice a wrong formula: each mutant of a copy of src/ must fail the tests of its file. */

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'aftertune-mutants-'));
  for (const name of ['src', 'test', 'package.json', 'vitest.config.ts', 'tsconfig.json'])
    cpSync(join(packageRoot, name), join(copy, name), { recursive: true });
  symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** Whose tests are beside another file's. */
const tested: Readonly<Record<string, string>> = { distributions: 'stats', record: 'verdict' };
const testsOf = (file: string) => `test/${tested[file] ?? file}.test.ts`;

/** @returns the exit code of the tests, 1 when one fails. */
function runTests(files: readonly string[]): { status: number | null; output: string } {
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, 'run', '--project', 'unit', '--bail', '1', ...files],
    { cwd: copy, encoding: 'utf8' },
  );
  return { status, output: stdout + stderr };
}

describe('the tests of the statistics', () => {
  it('pass on the right formulas', () => {
    const { status, output } = runTests([...new Set(mutants.map(([file]) => testsOf(file)))]);
    expect(status, output).toBe(0);
  });

  it.each(mutants)('notice %s: %s → %s', (file, right, wrong) => {
    const path = join(copy, 'src', `${file}.ts`);
    const source = readFileSync(path, 'utf8');
    expect(source.split(right), 'the right formula is there once').toHaveLength(2);
    writeFileSync(
      path,
      source.replace(right, () => wrong),
    );
    try {
      const { status, output } = runTests([testsOf(file)]);
      expect(status, output).toBe(1);
      expect(output).toMatch(/\d+ failed/);
    } finally {
      writeFileSync(path, source);
    }
  });
});
