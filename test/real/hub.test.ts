import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { localPath } from '../../src/hub/cache.ts';
import { fetchFromHub } from '../../src/hub/fetch.ts';
import { commit, repository, startHub } from '../hub/hub-server.ts';

/** One cache, two programs: what we fetch Python finds, and the other way round. PYTHON has huggingface_hub. */
const python = process.env.PYTHON ?? 'python3';
const hasPeer = spawnSync(python, ['-c', 'import huggingface_hub'], { stdio: 'ignore' }).status === 0;
const skipped = hasPeer ? null : `${python} lacks huggingface_hub: set PYTHON to one that has it`;

const wren = join(packageRoot, 'models/wren');
const files = Object.fromEntries(
  readdirSync(wren)
    .filter((name) => /\.(json|jinja|safetensors)$/.test(name))
    .map((name) => [name, readFileSync(join(wren, name))]),
);
const fetchOne = async (name: string) =>
  localPath((await fetchFromHub(new Map([[name, 'model' as const]]))).get(name)!);

/** What a Python program prints as JSON; the Hub's variables come from this process. */
function runPython(program: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    execFile(python, ['-c', program], { encoding: 'utf8' }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr)) : resolve(JSON.parse(stdout)),
    );
  });
}

test('Python finds offline what we fetched, and its scan finds nothing wrong', async ({ skip }) => {
  if (skipped) skip(skipped);
  await startHub(files);
  const snapshot = await fetchOne(`hf:${repository}`);
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  const found = await runPython(`
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
cache = scan_cache_dir()
repository = next(iter(cache.repos))
print(json.dumps({
    'config': hf_hub_download('${repository}', 'config.json'),
    'weights': hf_hub_download('${repository}', 'model.safetensors', revision='${commit}'),
    'snapshot': snapshot_download('${repository}', allow_patterns=['*.json', '*.jinja', '*.safetensors'], ignore_patterns=['recipe.json']),
    'refs': sorted(repository.refs), 'warnings': [str(each) for each in cache.warnings]}))`);
  expect(found).toEqual({
    config: join(snapshot, 'config.json'),
    weights: join(snapshot, 'model.safetensors'),
    snapshot,
    refs: ['main'],
    warnings: [],
  });
});

test('we fetch nothing again that Python fetched', async ({ skip }) => {
  if (skipped) skip(skipped);
  const hub = await startHub(files);
  const snapshot = await runPython(`
import json
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download('${repository}')))`);
  hub.requests.length = 0;
  expect(await fetchOne(`hf:${repository}`)).toBe(snapshot);
  expect(hub.requests).toEqual([`GET hub /api/models/${repository}/revision/main`]);
});
