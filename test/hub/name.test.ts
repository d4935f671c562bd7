import { describe, expect, test } from 'vitest';
import { modelName } from '../../src/arm-models.ts';
import { resolveConfig } from '../../src/config-resolve.ts';
import {
  formatHubName,
  hubNameProblem,
  isHubName,
  leavesFolder,
  parseHubName,
  repositoryOf,
} from '../../src/hub/name.ts';
import { auditErrorOf } from '../audit-error.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';

describe('a name', () => {
  test.each([
    ['hf:isle/lantern', ['isle/lantern', 'main', ''], 'hf:isle/lantern@main'],
    ['hf:isle/lantern-1.5B@v2.0', ['isle/lantern-1.5B', 'v2.0', ''], 'hf:isle/lantern-1.5B@v2.0'],
    ['hf:gpt2', ['gpt2', 'main', ''], 'hf:gpt2@main'],
    [`hf:isle/lantern@${commit}`, ['isle/lantern', commit, ''], `hf:isle/lantern@${commit}`],
    ['hf:isle/lantern@refs/pr/7', ['isle/lantern', 'refs/pr/7', ''], 'hf:isle/lantern@refs/pr/7'],
    [
      'hf:isle/lantern:q4/a b.gguf',
      ['isle/lantern', 'main', 'q4/a b.gguf'],
      'hf:isle/lantern@main:q4/a b.gguf',
    ],
    [
      'hf:isle/lantern@main:checkpoint-50',
      ['isle/lantern', 'main', 'checkpoint-50'],
      'hf:isle/lantern@main:checkpoint-50',
    ],
  ])('%s', (text, [repository, revision, path], whole) => {
    expect(parseHubName(text)).toEqual({ repository, revision, path });
    expect(formatHubName(parseHubName(text))).toBe(whole);
    expect([isHubName(text), hubNameProblem(text)]).toEqual([true, null]);
  });

  test.each([
    ['hf:', 'repository'],
    ['hf://isle/lantern', 'repository'],
    ['hf:isle/lantern/deep', 'repository'],
    ['hf:../../etc', 'repository'],
    ['hf:isle/lan--tern', 'repository'],
    ['hf:isle/.lantern', 'repository'],
    ['hf:isle\\lantern', 'repository'],
    ['hf:isle/lantern@', 'revision'],
    ['hf:isle/lantern@../../x', 'revision'],
    ['hf:isle/lantern@/etc', 'revision'],
    ['hf:isle/lantern@-x', 'revision'],
    ['hf:isle/lantern@a b', 'revision'],
    ['hf:isle/lantern:', 'file'],
    ['hf:isle/lantern:../x.gguf', 'file'],
    ['hf:isle/lantern:/etc/x.gguf', 'file'],
    ['hf:isle/lantern:a\\b.gguf', 'file'],
    ['hf:isle/lantern:C:x.gguf', 'file'],
  ])('%s is none', async (text, what) => {
    const { code, message, hint } = await auditErrorOf(() => parseHubName(text));
    expect([code, message]).toEqual(['config', expect.stringMatching(`^hf:.*: is not .* ?${what}`)]);
    expect(hint).toContain('hf:OWNER/NAME');
    expect(hubNameProblem(text)).toContain(what);
  });

  test('is told apart from a path', () => {
    expect([isHubName('./hf:x'), hubNameProblem('models/hf'), hubNameProblem('/hf:..')]).toEqual([
      false,
      null,
      null,
    ]);
  });
});

test('what leaves a folder', () => {
  const out = [
    '../x',
    'a/../b',
    '/x',
    'a//b',
    'a/',
    './a',
    '',
    '.',
    'a\\b',
    '\\\\host\\x',
    'c:x',
    'a\u0000b',
  ];
  expect(out.filter((path) => !leavesFolder(path))).toEqual([]);
  expect(['x', 'a/b', '..a', 'a..', 'a/...', '.gitattributes'].filter(leavesFolder)).toEqual([]);
});

test('the repository of a name, of a folder in the cache, of another folder', () => {
  const cached = `/cache/hub/models--isle--lantern/snapshots/${commit}`;
  expect(
    ['hf:isle/lantern@v1:x', cached, `${cached}/lamp`, '/models/lantern', 'models--a--b/snapshots/main'].map(
      repositoryOf,
    ),
  ).toEqual([
    'isle/lantern',
    'isle/lantern',
    'isle/lantern',
    '/models/lantern',
    'models--a--b/snapshots/main',
  ]);
});

describe('a config', () => {
  const config = (path: string, adapter: string) => ({
    model: { path },
    arms: { base: { train: 'none' as const }, mine: { adapter } },
    suites: { harm: { prompts: 'harm.jsonl' } },
    judges: [
      { type: 'llama-guard' as const, model: { path: 'hf:isle/guard@v1', adapter: 'hf:isle/guard-lora' } },
    ],
  });

  test('keeps names wherever it names a model or an adapter', () => {
    const { model, arms, judges, suites } = resolveConfig(config('hf:isle/lantern', 'hf:isle/lamp'), '/here');
    expect([modelName({ model }), arms.map(({ adapter }) => adapter)]).toEqual([
      'hf:isle/lantern',
      [null, 'hf:isle/lamp'],
    ]);
    expect(judges[0]).toMatchObject({ model: { path: 'hf:isle/guard@v1', adapter: 'hf:isle/guard-lora' } });
    expect(suites.harm?.prompts).toBe('/here/harm.jsonl');
  });

  test('is told every name that is wrong, with its place', async () => {
    const { problems } = await auditErrorOf(() =>
      resolveConfig(config('hf:isle', 'hf:isle/lamp@..'), '/here'),
    );
    expect(problems).toEqual([
      expect.stringMatching(/^arms\.mine\.adapter: is not the name of a revision; expected hf:OWNER/),
    ]);
  });
});
