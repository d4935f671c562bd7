#!/usr/bin/env node
/**
 * Makes a checkout ready: installs node_modules when missing or older than the lock file, compiles dist/ (and
 * bundles the page's script) when older than src/. Plain JavaScript on purpose: it runs before anything is installed.
 *   node scripts/setup.mjs            both, only what is stale     --install  dependencies only
 *   node scripts/setup.mjs --build    compile anyway               --quiet    say nothing when nothing is to do
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Scripts of src/page that a page inlines, each bundled into one file. */
const pageScripts = ['report', 'view'];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const flags = new Set(process.argv.slice(2));
const modifiedMs = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newestMs(directory) {
  let newest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestMs(path) : modifiedMs(path));
  }
  return newest;
}

function run(label, command, args, environment = {}) {
  const started = Date.now();
  process.stderr.write(`${label} … `);
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stderr.write(
      `failed\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`,
    );
    process.exit(1);
  }
  process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

const installed = modifiedMs(join(root, 'node_modules/.package-lock.json'));
const wanted = Math.max(modifiedMs(join(root, 'package-lock.json')), 1);
// npm's own marker carries the lock file's content, so a fresh clone (all files new) still counts as stale.
if (installed < wanted) {
  // The engine's post-install step would download CUDA libraries; the CPU engine is in the package itself.
  run('installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund'], {
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  });
}
if (!flags.has('--install')) {
  const stamp = join(root, 'dist/.built');
  const sources = Math.max(
    newestMs(join(root, 'src')),
    modifiedMs(join(root, 'tsconfig.build.json')),
    modifiedMs(join(root, 'tsconfig.json')),
  );
  if (flags.has('--build') || modifiedMs(stamp) < sources) {
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    run('compiling', process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      'tsconfig.build.json',
    ]);
    for (const name of pageScripts) {
      run(`bundling page/${name}`, process.execPath, [
        join(root, 'node_modules/rolldown/bin/cli.mjs'),
        `src/page/${name}.ts`,
        ...['--file', `dist/page/${name}.js`, '--format', 'iife', '--platform', 'browser', '--minify'],
      ]);
    }
    if (existsSync(join(root, 'dist/cli.js'))) chmodSync(join(root, 'dist/cli.js'), 0o755);
    writeFileSync(stamp, '');
  }
}
