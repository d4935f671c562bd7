import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { sha256 } from '../../src/hash.ts';
import { localPath } from '../../src/hub/cache.ts';
import { type FetchProgress, fetchFromHub } from '../../src/hub/fetch.ts';
import type { HubKind } from '../../src/hub/needed.ts';
import { auditErrorOf } from '../audit-error.ts';
import { commit, gitSha1, repository, startHub } from './hub-server.ts';

const name = `hf:${repository}`;
const weights = Buffer.alloc(300_000, 'lamp');
const files = {
  'README.md': '# Lantern',
  'config.json': '{"model_type":"llama"}',
  'generation_config.json': '{}',
  'tokenizer.json': '{"tokenizer":1}',
  'tokenizer_config.json': '{}',
  'special_tokens_map.json': '{}',
  'chat_template.jinja': '{{ messages }}',
  'model.safetensors': weights,
  'consolidated.safetensors': 'the same again',
  'pytorch_model.bin': 'the same again',
  'onnx/model.onnx': 'the same again',
  'lantern.Q4_K.gguf': 'GGUF',
  'lamp/adapter_config.json': '{"r":8}',
  'lamp/adapter_model.safetensors': 'adapter',
  'lamp/optimizer.pt': 'state',
};
const fetchOne = (text: string, kind: HubKind = 'model', onProgress?: (progress: FetchProgress) => void) =>
  fetchFromHub(new Map([[text, kind]]), { onProgress }).then((pinned) => pinned.get(text)!);

describe('a model', () => {
  test('comes with what it needs and nothing else, in the layout that Python shares', async () => {
    const hub = await startHub(files);
    const seen: FetchProgress[] = [];
    const pinned = await fetchOne(name, 'model', (progress) => seen.push(progress));
    expect(pinned).toBe(`hf:${repository}@${commit}`);
    const snapshot = await localPath(pinned);
    const folder = join(hub.cache, 'models--isle--lantern-1b');
    expect(snapshot).toBe(join(folder, 'snapshots', commit));
    expect(readdirSync(snapshot).sort()).toEqual([
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const config = Buffer.from(files['config.json']);
    expect(readlinkSync(join(snapshot, 'config.json'))).toBe(`../../blobs/${gitSha1(config)}`);
    expect(readlinkSync(join(snapshot, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`);
    expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readFileSync(join(folder, 'refs/main'), 'utf8')).toBe(commit);
    expect(readdirSync(join(folder, 'blobs')).filter((blob) => blob.includes('.'))).toEqual([]);
    expect(seen.at(-1)).toEqual({
      label: repository,
      file: 'tokenizer_config.json',
      done: 300_057,
      total: 300_057,
    });
    expect(seen.every(({ done }, at) => done >= (seen[at - 1]?.done ?? 0))).toBe(true);
  });

  test('of a branch asks for the branch alone the second time, of a commit for nothing', async () => {
    const hub = await startHub(files);
    const pinned = await fetchOne(`${name}@refs/pr/1`);
    hub.requests.length = 0;
    expect(await fetchOne(`${name}@refs/pr/1`)).toBe(pinned);
    expect(hub.requests).toEqual([`GET hub /api/models/${repository}/revision/refs%2Fpr%2F1`]);
    expect(await fetchOne(pinned)).toBe(pinned);
    expect(hub.requests.length).toBe(1);
  });

  test('is asked for what is missing only', async () => {
    const hub = await startHub(files);
    const snapshot = await localPath(await fetchOne(name));
    rmSync(join(snapshot, 'tokenizer.json')); // its blob stays
    rmSync(join(snapshot, 'config.json'));
    rmSync(join(hub.cache, 'models--isle--lantern-1b/blobs', gitSha1(Buffer.from(files['config.json']))));
    hub.requests.length = 0;
    await fetchOne(`${name}@${commit}`);
    expect(hub.requests).toEqual([
      `GET hub /${repository}/resolve/${commit}/config.json`,
      'GET hub /api/resolve-cache/config.json',
    ]);
    expect(existsSync(join(snapshot, 'tokenizer.json'))).toBe(true);
  });

  test('in parts comes with those that its index names', async () => {
    const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    const { 'model.safetensors': _, ...rest } = files;
    await startHub({
      ...rest,
      'model.safetensors.index.json': JSON.stringify({ weight_map: { ...map, c: map.a } }),
      [map.a]: 'one',
      [map.b]: 'two',
      'model-00003-of-00003.safetensors': 'of another export',
    });
    const snapshot = await localPath(await fetchOne(name));
    expect(readdirSync(snapshot).filter((file) => file.startsWith('model'))).toEqual([
      map.a,
      map.b,
      'model.safetensors.index.json',
    ]);
  });
});

test('an adapter comes from a folder of a repository, one file alone where it is named', async () => {
  const hub = await startHub(files);
  const adapter = await fetchOne(`${name}:lamp`, 'adapter');
  expect(adapter).toBe(`hf:${repository}@${commit}:lamp`);
  expect(readdirSync(await localPath(adapter)).sort()).toEqual([
    'adapter_config.json',
    'adapter_model.safetensors',
  ]);
  const gguf = await fetchOne(`${name}@main:lantern.Q4_K.gguf`);
  const path = await localPath(gguf);
  expect([gguf, readFileSync(path, 'utf8')]).toEqual([`${name}@${commit}:lantern.Q4_K.gguf`, 'GGUF']);
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  hub.requests.length = 0;
  await fetchOne(gguf);
  expect(hub.requests).toEqual([]);
});

describe('offline', () => {
  test('what the cache holds is found without a request, also where Python put it there', async () => {
    const hub = await startHub(files);
    const pinned = await fetchOne(name);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    hub.requests.length = 0;
    expect(await fetchOne(name)).toBe(pinned);
    rmSync(join(hub.cache, 'models--isle--lantern-1b/trees'), { recursive: true });
    expect(await fetchOne(name)).toBe(pinned);
    expect(hub.requests).toEqual([]);
  });

  test('what it does not hold is named', async () => {
    const hub = await startHub(files);
    vi.stubEnv('HF_HUB_OFFLINE', 'true');
    expect(await auditErrorOf(() => fetchOne(name))).toMatchObject({
      code: 'model',
      message: `hf:${repository}@main: is not whole in the cache`,
      hint: expect.stringContaining('HF_HUB_OFFLINE is set'),
    });
    vi.stubEnv('HF_HUB_OFFLINE', '');
    rmSync(join(await localPath(await fetchOne(name)), 'tokenizer.json'));
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect((await auditErrorOf(() => fetchOne(name))).problems).toEqual(['tokenizer.json is missing']);
    expect(hub.requests.filter((request) => request.includes('/tree/')).length).toBe(5);
  });
});

describe('the token', () => {
  test('of HF_TOKEN goes to the Hub, never to the CDN', async () => {
    const hub = await startHub(files);
    vi.stubEnv('HF_TOKEN', 'token-of-a-mirror\n');
    const seen = new Set<string | undefined>();
    hub.answer = ({ headers, url }) => {
      if (url?.startsWith('/api') || url?.startsWith('/isle')) seen.add(headers.authorization);
      return false;
    };
    await fetchOne(name);
    expect([...seen]).toEqual(['Bearer token-of-a-mirror']);
    expect(hub.leaked).toEqual([]);
  });

  test('that lies in a file is for the Hub itself, not for another endpoint', async () => {
    const hub = await startHub(files);
    vi.stubEnv('HF_HOME', join(hub.cache, 'home'));
    mkdirSync(join(hub.cache, 'home'), { recursive: true });
    writeFileSync(join(hub.cache, 'home/token'), 'hf_secret');
    const seen = new Set<string | undefined>();
    hub.answer = ({ headers }) => {
      seen.add(headers.authorization);
      return false;
    };
    await fetchOne(name);
    expect([...seen]).toEqual([undefined]);
  });
});
