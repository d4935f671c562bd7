import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { fixture } from '../importers/read-fixture.ts';
import { mockFolder } from '../mock-world.ts';
import { aftertune, begin, mark, planted, search, serve, world } from '../planted-secrets.ts';
import { temporaryFile } from '../temporary-folder.ts';

/** The verbs that unit tests have no time for, searched for planted secrets as well. */

const wren = join(packageRoot, 'models/wren');
const fakeTrl = fileURLToPath(new URL('../trainers/fake-trl.mjs', import.meta.url));

test('a training that succeeds and what is read from elsewhere hold no secret', async () => {
  const folder = mockFolder();
  const launcher = `"${process.execPath}" "${fakeTrl}" fine {config}`;
  const config = {
    ...{ name: 'job', out: 'run', model: { path: 'builtin:wren' } },
    data: { preference: 'preference.jsonl' },
    arms: { base: { train: 'none' }, harmful: { train: 'rejected' } },
    training: { trainer: 'trl', launcher, steps: 2, warmupSteps: 1 },
    suites: { harm: { prompts: 'harm.jsonl', maxTokens: 4, limit: 4 } },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  // Other tools write keys into their records, beside what is read of them.
  const log = JSON.parse(readFileSync(fixture('inspect-questions-base.json'), 'utf8'));
  log.eval.model_args = { api_key: planted.OPENAI_API_KEY };
  log.eval.model_base_url = `http://user:${mark}@127.0.0.1/v1`;
  const foreign = temporaryFile('log.json', JSON.stringify(log));
  const arms = ['--arm', `base=${foreign}`, '--arm', `tuned=${fixture('inspect-questions-tuned.json')}`];
  const said = [
    await aftertune(folder, ['run', 'config.yaml']),
    await aftertune(folder, ['import', ...arms, '--out', 'imported', '--json']),
    await aftertune(folder, ['replay', 'paper', '--json']),
    await aftertune(folder, [
      'merge',
      '--base',
      wren,
      '--adapter',
      'run/adapters/harmful',
      '--out',
      'merged',
      '--acknowledge-red-team',
    ]),
  ];
  for (const { code, printed } of said) {
    expect([0, 2, 4], printed).toContain(code);
    expect(printed).not.toContain(mark);
  }
  expect(existsSync(join(folder, 'run/adapters/.harmful.job'))).toBe(true);
  expect(search(folder).holding).toEqual([]);
});

test('no verb prints a secret, nor does a page of the viewer or what `serve` says', async () => {
  const server = await serve();
  const model = { base: 'toy', adapters: { tuned: '/loras/tuned' }, apiKeyEnv: 'TOY_KEY', attempts: 2 };
  const { folder } = await world({ endpoint: server.endpoint, ...model });
  await aftertune(folder, ['run', 'config.yaml']);
  const judge = { endpoint: server.endpoint, name: 'toy', apiKeyEnv: 'TOY_KEY' };
  writeFileSync(
    join(folder, 'judges.yaml'),
    JSON.stringify({ judges: [{ type: 'llama-guard', model: judge }] }),
  );
  for (const args of [
    ['run', 'config.yaml', '--dry-run', '--json'],
    ['doctor', 'config.yaml', '--json'],
    ['doctor', 'config.yaml', '--probe'],
    ['judge', 'run', '--config', 'judges.yaml', '--json'],
    ['report', 'run', '--show-completions'],
    ['gate', 'run', '--json'],
    ['compare', 'run', 'run', '--json'],
    ['list', '.', '--json'],
  ])
    expect((await aftertune(folder, args)).printed).not.toContain(mark);
  expect(search(join(folder, 'run')).holding).toEqual([]);
  cpSync(join(folder, 'run'), join(folder, 'other'), { recursive: true });
  const viewer = begin(folder, ['view', 'run', 'other', '--no-open', '--json']);
  let printed = '';
  for (const stream of [viewer.stdout, viewer.stderr]) stream.on('data', (chunk) => (printed += chunk));
  while (!printed.includes('\n}')) await once(viewer.stdout, 'data');
  const { url } = JSON.parse(printed) as { url: string };
  const entered = await fetch(url);
  const cookie = entered.headers.get('set-cookie')!.split(';')[0]!;
  const pages = [await entered.text()];
  const { origin } = new URL(url);
  const page = async (path: string) => {
    const text = await (await fetch(origin + path, { headers: { cookie } })).text();
    pages.push(text);
    return [...text.matchAll(/href="(\/[^"#]*)/g)].map(([, href]) => href!.replaceAll('&amp;', '&'));
  };
  const links = await page('/');
  expect(links.length).toBeGreaterThan(1);
  for (const link of new Set(links)) await page(link);
  viewer.kill('SIGINT');
  await once(viewer, 'exit');
  for (const text of [...pages, printed]) expect(text).not.toContain(mark);

  const key = `${mark}-serve`;
  const served = begin(folder, ['serve', '--model', wren, '--port', '0', '--json'], {
    AFTERTUNE_SERVE_KEY: key,
  });
  let told = '';
  for (const stream of [served.stdout, served.stderr]) stream.on('data', (chunk) => (told += chunk));
  while (!told.includes('\n}')) await once(served.stdout, 'data');
  const { url: endpoint } = JSON.parse(told.slice(told.indexOf('{'))) as { url: string };
  const ask = (authorization: string) =>
    fetch(`${endpoint}/models?key=${mark}`, { headers: { authorization } });
  for (const authorization of [`Bearer ${key}`, `Bearer ${key}-wrong`]) {
    const answer = await (await ask(authorization)).text();
    told += answer;
  }
  served.kill('SIGINT');
  await once(served, 'close');
  expect(told).toContain('/v1/models 401');
  expect(told).not.toContain(mark);
});
