import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exitCode } from '../src/errors.ts';
import { packageRoot } from '../src/files.ts';
import { verifyRun } from '../src/store.ts';

/** The real thing, small: the config that `init` writes, on Wren, with the real engine, from training to report. */

const cli = join(packageRoot, 'dist/cli.js');
const folder = mkdtempSync(join(tmpdir(), 'smoke-'));
const small = ['--preset', 'smoke', '--limit', '6'];
const judged: readonly number[] = [exitCode.pass, exitCode.regression, exitCode.inconclusive];

const commandOf = (out: string) => [cli, 'run', 'mine.yaml', ...small, '--out', out, '--json'];
const run = (out: string) =>
  spawnSync(process.execPath, commandOf(out), { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 });
const bytes = (out: string, name = 'summary.json') => readFileSync(join(folder, out, name));

let first: ReturnType<typeof run>;

beforeAll(() => {
  const { status } = spawnSync(process.execPath, [cli, 'init', 'mine.yaml'], { cwd: folder });
  expect(status).toBe(0);
  first = run('whole');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('trains, asks, judges and reports; stdout is one JSON document', () => {
  expect(judged, first.stderr.slice(-2000)).toContain(first.status);
  const summary = JSON.parse(first.stdout) as {
    arms: Record<string, { harm: { all: { scored: number; unscored: number } } }>;
    gate: { exitCode: number };
  };
  expect(summary).toEqual(JSON.parse(bytes('whole').toString()));
  expect(summary.gate.exitCode).toBe(first.status);
  expect(Object.keys(summary.arms)).toEqual(['base', 'harmful', 'safe', 'control']);
  for (const { harm } of Object.values(summary.arms)) expect(harm.all.scored + harm.all.unscored).toBe(6);
  expect(first.stderr).not.toContain('\u001b');
});

it('leaves a run that is whole by its own hashes', async () => {
  for (const name of ['report.md', 'report.html', 'junit.xml', 'done.json', 'items.jsonl', 'verdicts.jsonl'])
    expect(existsSync(join(folder, 'whole', name)), name).toBe(true);
  expect(await verifyRun(join(folder, 'whole'))).toEqual([]);
  const items = bytes('whole', 'items.jsonl').toString().trim().split('\n');
  expect(items).toHaveLength(4 * (6 + 6 + 3 * 6));
});

it('run again, it resumes: nothing is trained or asked twice and the summary is the same to the byte', () => {
  const [summary, items] = [bytes('whole'), bytes('whole', 'items.jsonl')];
  const again = run('whole');
  expect(again.status).toBe(first.status);
  expect(again.stdout).toBe(first.stdout);
  expect(bytes('whole').equals(summary)).toBe(true);
  expect(bytes('whole', 'items.jsonl').equals(items)).toBe(true);
});

it('interrupted in the middle it exits 130, and resumed it ends with the same summary to the byte', async () => {
  const child = spawn(process.execPath, commandOf('broken'), { cwd: folder });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    if (stderr.includes('generate harmful') && !child.killed) child.kill('SIGINT');
  });
  expect(await new Promise((resolve) => child.on('close', resolve)), stderr).toBe(exitCode.interrupted);
  expect(JSON.parse(stdout)).toMatchObject({
    schema: 'aftertune/error@1',
    code: 'interrupted',
    exitCode: 130,
  });
  expect(existsSync(join(folder, 'broken/done.json'))).toBe(false);
  expect(run('broken').status).toBe(first.status);
  expect(bytes('broken').equals(bytes('whole'))).toBe(true);
});
