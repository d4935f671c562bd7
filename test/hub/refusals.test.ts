import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { fetchFromHub } from '../../src/hub/fetch.ts';
import type { HubKind } from '../../src/hub/needed.ts';
import { auditErrorOf } from '../audit-error.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { commit, fail, type HubServer, repository, startHub } from './hub-server.ts';

/** What the Hub refuses, and what we refuse of a Hub that is not to be trusted. */

const name = `hf:${repository}`;
const files = { 'config.json': '{}', 'tokenizer.json': '{}', 'model.safetensors': 'weights' };
const fetchIt = (text = name, kind: HubKind = 'model') => fetchFromHub(new Map([[text, kind]]));
const errorOf = (text?: string, kind?: HubKind) => auditErrorOf(() => fetchIt(text, kind));

describe('what the Hub refuses', () => {
  test.each<[number, string, string, string, string, string]>([
    [401, 'RepoNotFound', '', 'model', 'no such repository, or it is private or gated (401)', 'set HF_TOKEN'],
    [401, 'RepoNotFound', 'hf_x', 'model', '(401)', 'check the name, and that HF_TOKEN is valid'],
    [401, 'GatedRepo', '', 'model', 'access is refused (401)', '(none is set)'],
    [403, 'GatedRepo', 'hf_x', 'model', 'access is refused (403)', '(the one in use does not have it)'],
    [404, 'RevisionNotFound', '', 'model', 'there is no revision main', `/tree/main`],
    [404, '', '', 'model', 'not found (404)', 'check the name'],
    [429, '', '', 'network', 'too many requests (429)', 'wait some minutes'],
    [503, '', '', 'network', 'the Hub answers with an error (503)', 'HF_HUB_OFFLINE=1'],
  ])('%i %s %s', async (status, what, token, code, message, hint) => {
    const hub = await startHub(files);
    vi.stubEnv('HF_TOKEN', token);
    hub.answer = (_, response) => {
      fail(response, status, what);
      return true;
    };
    const error = await errorOf();
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    expect(error.hint).toContain(hint);
    expect(JSON.stringify(error)).not.toContain('hf_x');
    expect(hub.requests.length).toBe(status === 503 ? 3 : 1);
    expect(existsSync(hub.cache)).toBe(false);
  });

  test('for a moment is asked again', async () => {
    const hub = await startHub(files);
    let failures = 0;
    hub.answer = (_, response) => {
      if (failures++ > 0) return false;
      fail(response, 502);
      return true;
    };
    await fetchIt();
  });

  test('a Hub that cannot be reached, or an endpoint that is none, says what to do', async () => {
    await startHub(files);
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1/');
    expect(await errorOf()).toMatchObject({
      code: 'network',
      message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:1: \w+/),
      hint: expect.stringMatching(/HF_HUB_OFFLINE=1 uses what the cache holds/),
    });
    vi.stubEnv('HF_ENDPOINT', 'hub.example');
    expect((await errorOf()).code).toBe('config');
  });

  test('one of several models is said before anything is fetched', async () => {
    const hub = await startHub(files);
    const wanted = new Map<string, HubKind>([
      [name, 'model'],
      ['hf:isle/nowhere', 'adapter'],
    ]);
    expect((await auditErrorOf(() => fetchFromHub(wanted))).message).toContain('hf:isle/nowhere');
    expect(hub.requests.some((request) => request.includes('resolve'))).toBe(false);
  });
});

describe('a repository without what is needed', () => {
  const gguf = { 'config.json': '{}', 'a.Q4_K.gguf': 'x', 'a.Q8_0.gguf': 'x' };
  const lamp = { 'lamp/adapter_config.json': '{}', 'lamp/adapter_model.safetensors': 'x' };
  test.each<[string, object, string, HubKind, string, string]>([
    [
      'only GGUF',
      gguf,
      name,
      'model',
      'has no model.safetensors',
      `it has ${name}@${commit}:a.Q4_K.gguf, hf:`,
    ],
    ['another GGUF', gguf, `${name}:b.gguf`, 'model', 'has no b.gguf', 'a.Q8_0.gguf'],
    ['an adapter', lamp, name, 'model', 'has no config.json', 'it holds an adapter'],
    ['an adapter elsewhere', lamp, name, 'adapter', 'has no adapter_config.json', `@${commit}:lamp`],
    ['a pickle', { 'config.json': '{}', 'pytorch_model.bin': 'x' }, name, 'model', 'has no model', 'convert'],
    ['nothing', { 'README.md': 'x' }, name, 'adapter', 'has no adapter_config.json', 'see what is there'],
  ])('%s', async (_, there, text, kind, message, hint) => {
    await startHub(there as Record<string, string>);
    const error = await errorOf(text, kind);
    expect([error.code, error.message]).toEqual([kind, expect.stringContaining(message)]);
    expect(error.hint).toContain(hint);
  });
});

describe('nothing is written outside the cache', () => {
  /** What lies beside the cache when all is over. */
  const around = (hub: HubServer) => readdirSync(join(hub.cache, '..'));
  const index = (...names: unknown[]) => ({
    'config.json': '{}',
    'tokenizer.json': '{}',
    'model.safetensors.index.json': JSON.stringify({ weight_map: { ...names } }),
  });

  test.each([
    ['../../../../evil.json'],
    ['a/../../evil.json'],
    ['/tmp/evil.json'],
    ['..\\..\\evil.json'],
    ['C:\\evil.json'],
    ['a//evil.json'],
  ])('by a listing that names %s', async (path) => {
    const hub = await startHub(files);
    hub.listed = (entries) => [...entries, { ...entries[0]!, path }];
    expect(await errorOf()).toMatchObject({
      code: 'model',
      message: expect.stringContaining('it lists a file outside its folder'),
      hint: expect.stringContaining('nothing was written'),
    });
    expect(around(hub)).toEqual(['hub']);
    expect(hub.requests.some((request) => request.includes('resolve'))).toBe(false);
  });

  test.each([
    ['../../../../evil.safetensors'],
    ['/tmp/evil.safetensors'],
    ['..\\evil.safetensors'],
    ['lamp/evil.safetensors'],
    ['config.json'],
    [7],
  ])('by an index that names %s', async (part) => {
    const hub = await startHub(index(part));
    expect(await errorOf()).toMatchObject({
      code: 'model',
      message: expect.stringContaining('model.safetensors.index.json is no index of weights'),
      problems: [`${JSON.stringify(part)} is not a safetensors file of the same folder`],
    });
    expect(around(hub)).toEqual(['hub']);
  });

  test('by an index that names a part which is not there, or is none', async () => {
    await startHub(index('model-1.safetensors'));
    expect((await errorOf()).message).toContain('has no model-1.safetensors');
    await startHub({ ...index(), 'model.safetensors.index.json': 'null' });
    expect((await errorOf()).message).toContain('is no index of weights');
  });

  test.each([
    ['oid', { oid: '../../evil' }],
    ['lfs', { lfs: { oid: '../../../../../../tmp/evil'.padEnd(64, 'a'), size: 7, pointerSize: 1 } }],
    ['size', { size: -1 }],
  ])('by a listing whose %s is none', async (_, wrong) => {
    const hub = await startHub(files);
    hub.listed = (entries) => entries.map((entry) => ({ ...entry, ...wrong }));
    expect((await errorOf()).message).toContain('the Hub’s answer cannot be trusted');
    expect(around(hub)).toEqual(['hub']);
  });

  test('by a commit that is a path', async () => {
    const hub = await startHub(files);
    hub.commit = '../../../evil';
    expect((await errorOf()).message).toContain('its commit is "../../../evil"');
    expect(around(hub)).toEqual([]);
  });

  test('by an entry that is a link', async () => {
    const hub = await startHub(files);
    hub.listed = (entries) => entries.map((entry) => ({ ...entry, type: 'symlink' }));
    expect((await errorOf()).message).toContain('has no config.json');
  });

  test('by a link that was planted in the cache', async () => {
    const hub = await startHub({ 'lamp/adapter_config.json': '{}', 'lamp/adapter_model.safetensors': 'x' });
    const [outside, snapshot] = [
      temporaryFolder(),
      join(hub.cache, 'models--isle--lantern-1b/snapshots', commit),
    ];
    mkdirSync(snapshot, { recursive: true });
    symlinkSync(outside, join(snapshot, 'lamp'));
    expect(await errorOf(`${name}:lamp`, 'adapter')).toMatchObject({
      code: 'model',
      message: expect.stringContaining(`a link in the cache leads to ${outside}`),
    });
    expect(readdirSync(outside)).toEqual([]);
  });

  test('by an answer that is not what the interface says', async () => {
    const hub = await startHub(files);
    hub.answer = ({ url }, response) => {
      if (!url!.includes('/tree/')) return false;
      response.end('<html>');
      return true;
    };
    expect((await errorOf()).message).toContain('the Hub’s answer cannot be trusted');
  });
});
