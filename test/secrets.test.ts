import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { mockFolder } from './mock-world.ts';
import { aftertune, mark, search, serve, world } from './planted-secrets.ts';

/** Secrets are planted everywhere one may be, and looked for in everything that is written or printed. */

const fakeTrl = fileURLToPath(new URL('./trainers/fake-trl.mjs', import.meta.url));

test('no secret is in a run, its report, its exports, or what a failure says', async () => {
  const server = await serve();
  const model = { base: 'toy', adapters: { tuned: '/loras/tuned' }, apiKeyEnv: 'TOY_KEY', attempts: 2 };
  const { folder } = await world({ endpoint: server.endpoint, ...model });
  const ran = await aftertune(folder, ['run', 'config.yaml']);
  expect([0, 2, 4], ran.printed).toContain(ran.code);
  const items = readFileSync(join(folder, 'run/items.jsonl'), 'utf8');
  expect(items).toContain('not for Bearer [key]');
  expect(items).toContain('It is [key].');
  const said = [
    ran,
    await aftertune(folder, ['run', 'config.yaml', '--fresh'], { TOY_KEY: `sk-${mark}-wrong` }),
    await aftertune(folder, ['run', 'config.yaml', '--json']),
    await aftertune(folder, ['report', 'run', '--json']),
    await aftertune(folder, ['export', 'run', '--format', 'jsonl']),
    await aftertune(folder, ['run', 'config.yaml', '--dry-run']),
    await aftertune(folder, [
      'run',
      'config.yaml',
      '--set',
      'model.adapters.tuned=/loras/closed',
      '--out',
      'closed',
    ]),
  ];
  expect(said[1]!.code).toBe(3);
  expect(said[6]!.printed).toContain('does not load /loras/closed: 400 {"error":"not for Bearer [key]"}');
  for (const { printed } of said) expect(printed).not.toContain(mark);
  const { holding, files } = search(join(folder, 'run'));
  expect(holding).toEqual([]);
  expect(files).toBeGreaterThan(8);
});

test('a key in an address is refused and not repeated', async () => {
  for (const endpoint of [`http://user:${mark}@127.0.0.1:9/v1`, `http://127.0.0.1:9/v1?key=${mark}`]) {
    const { folder } = await world({ endpoint, base: 'toy', adapters: { tuned: 'tuned' } });
    const { code, printed } = await aftertune(folder, ['run', 'config.yaml']);
    expect(code).toBe(3);
    expect(printed).toContain('without user, key or query');
    expect(printed).not.toContain(mark);
  }
  const { folder } = await world({ endpoint: 'http://127.0.0.1:9/v1', base: 'toy', apiKeyEnv: `sk-${mark}` });
  const { code, printed } = await aftertune(folder, ['run', 'config.yaml']);
  expect(code).toBe(3);
  expect(printed).not.toContain(mark);
});

test('a training job and its failure hold no secret', async () => {
  const folder = mockFolder();
  const launcher = `"${process.execPath}" "${fakeTrl}" secret {config}`;
  const config = {
    ...{ name: 'job', out: 'run', model: { path: 'builtin:wren' } },
    data: { preference: 'preference.jsonl' },
    arms: { base: { train: 'none' }, harmful: { train: 'rejected' } },
    training: { trainer: 'trl', launcher, steps: 2, warmupSteps: 1 },
    suites: { harm: { prompts: 'harm.jsonl' } },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const { code, printed } = await aftertune(folder, ['run', 'config.yaml']);
  expect(code, printed).not.toBe(0);
  expect(printed).toContain('401 Client Error');
  expect(printed).not.toContain(mark);
  const { holding, files } = search(join(folder, 'run'));
  expect(holding).toEqual([]);
  expect(files).toBeGreaterThan(3);
});
