import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../src/files.ts';
import { mockFolder } from './mock-world.ts';

/** What people type wrong, and what the command line says to it. */

const folder = mockFolder();
const cli = join(packageRoot, 'dist/cli.js');
const aftertune = (...args: string[]) =>
  spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
const told = (...args: string[]) => {
  const { status, stderr, stdout } = aftertune(...args);
  return { status, said: stderr.trim(), stdout };
};

writeFileSync(
  join(folder, 'served.yaml'),
  `name: served
out: run
model: { endpoint: 'http://127.0.0.1:9/v1', base: b, attempts: 1, adapters: { tuned: t }, budget: { requests: 9 } }
arms: { base: { train: none }, tuned: { train: chosen } }
suites: { harm: { prompts: harm.jsonl } }
`,
);

test('a verb that there is not', () => {
  expect(told('frobnicate').said).toBe(
    "error: unknown command 'frobnicate'\nhint: aftertune --help shows what there is",
  );
});

test('a key of --set that there is not is the command line’s', () => {
  const { status, said } = told('run', 'served.yaml', '--set', 'modell.base=x');
  expect(status).toBe(3);
  expect(said).toContain('command line: modell: unknown key; did you mean model?');
});

writeFileSync(join(folder, 'slow.json'), JSON.stringify({ answers: {}, otherwise: 'Keeper', batchMs: 40 }));
writeFileSync(
  join(folder, 'slow.yaml'),
  `name: slow
model: { engine: mock, path: slow.json, batchSize: 1 }
arms: { base: { train: none } }
suites: { harm: { prompts: harm.jsonl } }
`,
);

test('a config that trains no arm', () => {
  expect(told('train', 'slow.yaml').said).toContain(
    'hint: arms with train: none, each is untouched or has its adapter',
  );
});

test('the way to go on can be pasted into a shell', async () => {
  const args = ['run', 'slow.yaml', '--out', 'cut', '--set', "suites.harm.systemPrompt=It's {so}"];
  const child = spawn(process.execPath, [cli, ...args], { cwd: folder });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr === '') child.kill('SIGINT');
    stderr += chunk;
  });
  const [status] = await once(child, 'close');
  expect(stderr).toContain(
    `hint: to resume: aftertune run slow.yaml --out cut --set 'suites.harm.systemPrompt=It'\\''s {so}'`,
  );
  expect(status).toBe(130);
});

test('a dry run tells a budget that cannot suffice', () => {
  const { status, stdout } = told('run', 'served.yaml', '--dry-run');
  expect(status).toBe(0);
  expect(stdout).toContain(
    'before it can run:\n  raise model.budget: 9 requests are less than the arms need',
  );
  expect(told('run', 'served.yaml', '--dry-run', '--set', 'model.budget.requests=9000').stdout).not.toContain(
    'before it can run',
  );
});

test.each([
  [['--port', '70000'], 'ports end at 65535'],
  [['--host', '[::1]'], 'is no address of this machine'],
])('where serve cannot listen: %j', (flags, why) => {
  const { status, said } = told('serve', '--model', 'builtin:wren', ...flags);
  expect(status).toBe(3);
  expect(said).toContain(why);
});

test('merge takes the embedded model by its name', () => {
  const { said, status } = told(
    ...['merge', '--base', 'builtin:wren', '--adapter', 'builtin:wren/guard', '--out', 'merged'],
  );
  expect(said).not.toContain('error');
  expect(status).toBe(0);
});
