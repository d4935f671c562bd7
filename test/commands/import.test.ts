import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { fixture } from '../importers/read-fixture.ts';
import { temporaryFolder } from '../temporary-folder.ts';

function aftertune(...args: string[]) {
  return spawnSync(process.execPath, [join(packageRoot, 'dist/cli.js'), ...args], { encoding: 'utf8' });
}

const arms = (base: string, tuned: string) => [
  '--arm',
  `base=${fixture(base)}`,
  '--arm',
  `tuned=${fixture(tuned)}`,
];

describe('aftertune import', () => {
  it('prints the summary as JSON and nothing else, and exits 0 whatever the gate would say', () => {
    const out = join(temporaryFolder(), 'run');
    const files = arms('garak-base.report.jsonl', 'garak-blank.report.jsonl');
    const { status, stdout } = aftertune('import', ...files, '--out', out, '--json');
    expect(status).toBe(0);
    const summary = JSON.parse(stdout) as Record<string, unknown>;
    expect(summary).toEqual(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')));
    expect(summary).toMatchObject({ gate: { verdict: 'FAIL', exitCode: 2 } });
    expect(aftertune('report', out).status).toBe(0);
  });

  it('prints a table for people, with what the gate would give', () => {
    const out = join(temporaryFolder(), 'run');
    const { status, stdout } = aftertune(
      'import',
      ...arms('harmbench-base.json', 'harmbench-tuned.json'),
      '--out',
      out,
    );
    expect(status).toBe(0);
    expect(stdout).toContain('attack success');
    expect(stdout).toMatch(/The records were imported: exit code 0\. The gate would give 4\.\n$/);
  });

  it('README’s example runs as it stands', () => {
    const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
    const command = /npx aftertune (import [^`]*)```/.exec(readme)![1]!;
    const folder = temporaryFolder();
    for (const name of ['harmbench-base.json', 'harmbench-tuned.json', 'harmbench-behaviors.csv'])
      cpSync(fixture(name), join(folder, name));
    const words = command.replaceAll('\\\n', ' ').trim().split(/\s+/);
    const cli = join(packageRoot, 'dist/cli.js');
    const { status, stderr } = spawnSync(process.execPath, [cli, ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stderr.includes('error')]).toEqual([0, false]);
    expect(readFileSync(join(folder, 'runs/imported/summary.json'), 'utf8')).toContain('"excluded": 1');
  });

  it('errors are one JSON document with exit code 3', () => {
    const { status, stdout } = aftertune('import', '--arm', 'base', '--out', 'nowhere', '--json');
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'aftertune/error@1', code: 'config' });
    expect(aftertune('import').stderr).toContain('import needs --out and at least one --arm');
  });
});
