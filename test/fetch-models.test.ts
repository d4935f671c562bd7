import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { audit } from '../src/audit.ts';
import { packageRoot } from '../src/files.ts';
import { sha256File } from '../src/hash.ts';
import type { Progress } from '../src/progress.ts';
import { auditErrorOf } from './audit-error.ts';
import { commit, repository, startHub } from './hub/hub-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Wren as a repository of the Hub, with an adapter in a folder of its own. */

const wren = join(packageRoot, 'models/wren');
const read = (path: string) => readFileSync(path);
const json = (path: string) => JSON.parse(read(path).toString()) as Record<string, unknown>;
const files = {
  ...Object.fromEntries(
    readdirSync(wren)
      .filter((name) => /\.(json|jinja|safetensors)$/.test(name))
      .map((name) => [name, read(join(wren, name))]),
  ),
  'lamp/adapter_config.json': read(join(wren, 'guard/adapter_config.json')),
  'lamp/adapter_model.safetensors': read(join(wren, 'guard/adapter_model.safetensors')),
};
const pinned = `hf:${repository}@${commit}`;

test('an audit of models on the Hub records their commits, and adapters name their base', async () => {
  const hub = await startHub(files);
  const out = join(temporaryFolder(), 'run');
  const progress: Progress[] = [];
  const config = {
    out,
    model: { path: `hf:${repository}` },
    data: { preference: 'builtin:wren/data/preference.jsonl' },
    arms: {
      base: { train: 'none' },
      safe: { train: 'chosen' },
      lamp: { adapter: `hf:${repository}@main:lamp` },
    },
    training: { steps: 1, warmupSteps: 1, batchSize: 1, gradientAccumulation: 1 },
    suites: { harm: { prompts: 'builtin:wren/data/restricted.jsonl', maxTokens: 2, limit: 2 } },
  } as const;
  await audit(config, { onProgress: (each) => progress.push(each) });
  const { config: recorded, hashes } = json(join(out, 'run.json')) as {
    config: { passed: object; resolved: object };
    hashes: Record<string, string>;
  };
  expect(recorded.passed).toMatchObject({ model: { path: `hf:${repository}` } });
  expect(recorded.resolved).toMatchObject({
    model: { path: pinned },
    arms: [{}, { adapter: null }, { adapter: `${pinned}:lamp` }],
  });
  expect(Object.keys(hashes)).toEqual(expect.arrayContaining([pinned, `${pinned}:lamp`]));
  expect(json(join(out, 'adapters/safe/adapter_config.json')).base_model_name_or_path).toBe(repository);
  const downloads = progress.filter(({ stage }) => stage === 'download');
  expect(downloads.at(-1)).toMatchObject({ label: `${repository}:lamp`, unit: 'MB' });
  expect(downloads.filter(({ done, total }) => done === total).length).toBe(2);

  hub.requests.length = 0;
  await audit({ ...config, model: { path: pinned } });
  expect(hub.requests).toEqual([`GET hub /api/models/${repository}/revision/main`]); // the adapter's
});

test('merge takes names of the Hub, with progress on stderr and one document on stdout', async () => {
  await startHub(files);
  const out = join(temporaryFolder(), 'merged');
  const flags = ['--base', `hf:${repository}`, '--adapter', `hf:${repository}:lamp`, '--out', out, '--json'];
  vi.stubEnv('HF_TOKEN', 'hf_secret');
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, [join(packageRoot, 'dist/cli.js'), 'merge', ...flags], (_, stdout, stderr) =>
      resolve({ stdout, stderr }),
    ),
  );
  expect(JSON.parse(stdout)).toEqual({
    schema: 'aftertune/merge@1',
    base: pinned,
    adapter: `${pinned}:lamp`,
    directory: out,
    sha256: await sha256File(join(out, 'model.safetensors')),
  });
  expect(stderr).toMatch(/^download isle\/lantern-1b:lamp: 0\/[\d.]+ MB, lamp\/adapter_config.json\n/m);
  expect(stderr).toMatch(/^merge merged: 0\/\d+ tensors\n/m);
  expect(stderr + stdout).not.toContain('hf_secret');
  expect(existsSync(join(out, 'tokenizer.json'))).toBe(true);
});

test('a data file that does not parse is told before anything is fetched', async () => {
  const hub = await startHub(files);
  const config = {
    out: join(temporaryFolder(), 'run'),
    model: { path: `hf:${repository}` },
    data: { preference: 'builtin:wren/data/preference.jsonl' },
    arms: { base: { train: 'none' }, safe: { train: 'chosen' } },
    training: { steps: 1, warmupSteps: 1, batchSize: 4, evaluation: { rows: 400 } },
    suites: { harm: { prompts: 'none.jsonl' } },
  } as const;
  const { problems } = await auditErrorOf(() => audit(config));
  expect(problems.join('\n')).toMatch(/holds out 400 of 16 rows[\s\S]*none\.jsonl: no such file/);
  expect(hub.requests).toEqual([]);
});
