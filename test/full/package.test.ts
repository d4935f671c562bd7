import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCode } from '../../src/errors.ts';
import { packageRoot } from '../../src/files.ts';

/** What `npm install aftertune` gives, in empty folders: with the engine, and without it. Needs the npm registry. */

const root = mkdtempSync(join(tmpdir(), 'package-'));
const [withEngine, without] = [join(root, 'with'), join(root, 'without')];
const environment = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_yes: 'false' };
const judged: readonly number[] = [exitCode.pass, exitCode.regression, exitCode.inconclusive];

function run(cwd: string, command: string, ...args: string[]) {
  return spawnSync(command, args, { cwd, env: environment, encoding: 'utf8', maxBuffer: 1 << 28 });
}
const aftertune = (cwd: string, ...args: string[]) => run(cwd, 'npx', '--no-install', 'aftertune', ...args);

function install(folder: string, ...flags: string[]): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const result = run(folder, 'npm', 'install', '--no-audit', '--no-fund', ...flags, tarball);
  expect(result.status, result.stderr).toBe(0);
}

let tarball: string;
let packed: string[];

beforeAll(() => {
  // The build that `npm run test:full` has made is what is packed: compiling here would pull dist/ from under other tests.
  const result = run(packageRoot, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', root);
  expect(result.status, result.stderr).toBe(0);
  const [description] = JSON.parse(result.stdout) as { filename: string; files: { path: string }[] }[];
  tarball = join(root, description!.filename);
  packed = description!.files.map(({ path }) => path);
  install(withEngine);
  install(without, '--omit=optional');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the packed files', () => {
  test.each([
    'dist/cli.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/lm/worker.js',
    'models/wren/model.safetensors',
    'models/wren/guard/adapter_model.safetensors',
    'models/wren/data/restricted.jsonl',
    'data/paper/published.json',
    'python/train_trl.py',
    'schemas/summary.json',
    'examples/demo.yaml',
    'README.md',
    'DESIGN.md',
    'SOURCES.md',
    'LOG.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'LICENSE',
  ])('hold %s', (path) => expect(packed).toContain(path));

  test('hold nothing that only the checkout needs', () => {
    const unwanted = packed.filter((path) =>
      /^(test|src|scripts|runs|\.ci)\/|^bench\/(?!RESULTS\.md$)|^dist\/wren\/|(^|\/)\.(?!npmrc)|\.(tgz|log)$/.test(
        path,
      ),
    );
    expect(unwanted).toEqual([]);
  });
});

describe('installed with the engine', () => {
  let demo: ReturnType<typeof run>;
  beforeAll(() => {
    demo = aftertune(withEngine, 'demo', '--json');
  });

  test('the demo runs into runs/demo, and stdout is one JSON document', () => {
    expect(demo.status, demo.stderr.slice(-2000)).toBe(0);
    const { arms } = JSON.parse(demo.stdout) as { arms: Record<string, { harm: { all: { rate: number } } }> };
    expect(arms.harmful!.harm.all.rate).toBeGreaterThan(arms.base!.harm.all.rate);
    expect(arms.safe!.harm.all.rate).toBeLessThan(arms.base!.harm.all.rate);
    expect(existsSync(join(withEngine, 'runs/demo/report.html'))).toBe(true);
  });

  test('the example of README.md runs as it is printed', () => {
    const example = readFileSync(join(packageRoot, 'README.md'), 'utf8').match(
      /```js example\n([\s\S]*?)```/,
    )![1]!;
    writeFileSync(join(withEngine, 'example.js'), example);
    const { status, stdout, stderr } = run(withEngine, process.execPath, 'example.js');
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('harmHeadline');
    const code = Number(stdout.trim().split(/\s+/).at(-1));
    expect(judged).toContain(code);
    expect(existsSync(join(withEngine, 'runs/library-example/done.json'))).toBe(true);
  });
});

describe('installed without optional dependencies', () => {
  const runs = join(withEngine, 'runs');

  test('there is no engine', () => {
    expect(readdirSync(join(without, 'node_modules'))).not.toContain('onnxruntime-node');
  });

  test('list and report work on the runs of others', () => {
    const list = aftertune(without, 'list', runs, '--json');
    expect(list.status, list.stderr).toBe(0);
    expect(list.stdout).toContain('"finished"');
    const report = join(runs, 'demo/report.html');
    const before = readFileSync(report, 'utf8');
    rmSync(report);
    const result = aftertune(without, 'report', join(runs, 'demo'), '--json');
    expect(result.status, result.stderr).toBe(0);
    expect((JSON.parse(result.stdout) as { schema: string }).schema).toBe('aftertune/summary@1');
    expect(readFileSync(report, 'utf8')).toBe(before);
  });

  test('init works', () => expect(aftertune(without, 'init', 'mine.yaml').status).toBe(0));

  test.each([
    ['demo', []],
    ['run', ['mine.yaml']],
    ['train', ['mine.yaml']],
    ['audit', ['--adapter', join(runs, 'demo/adapters/safe')]],
  ])('%s says what to install', (verb, args) => {
    const { status, stdout, stderr } = aftertune(
      without,
      verb,
      ...args,
      '--out',
      join(without, `out-${verb}`),
    );
    expect([status, stdout], stderr).toEqual([exitCode.runtime, '']);
    expect(stderr).toContain('onnxruntime-node, which is not installed');
    expect(stderr).toContain('hint: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node');
    expect(stderr).not.toContain('    at ');
  });
});
