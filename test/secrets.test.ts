import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { fixture } from './importers/read-fixture.ts';
import { mockAnswer, mockFolder } from './mock-world.ts';
import { type ToyServer, toyServer } from './models/openai/toy-server.ts';
import { aftertune, begin, mark, planted, search } from './planted-secrets.ts';
import { temporaryFile } from './temporary-folder.ts';

/** Secrets are planted everywhere one may be, and looked for in everything that is written or printed. */

const fakeTrl = fileURLToPath(new URL('./trainers/fake-trl.mjs', import.meta.url));

const servers: ToyServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function world(model: object) {
  const folder = mockFolder();
  mkdirSync(join(folder, planted.DATA_FOLDER));
  renameSync(join(folder, 'harm.jsonl'), join(folder, planted.DATA_FOLDER, 'harm.jsonl'));
  const config = {
    name: 'planted',
    out: 'run',
    model,
    arms: { base: { train: 'none' }, tuned: {} },
    suites: {
      harm: { prompts: '$' + '{DATA_FOLDER}/harm.jsonl' },
      overRefusal: { prompts: 'borderline.jsonl' },
    },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  return { folder, config };
}

/** It repeats the key in what it refuses and in one of its answers. */
async function serve(): Promise<ToyServer> {
  const server = await toyServer({
    make: 'vllm',
    key: planted.TOY_KEY,
    answer: (model, messages) => {
      const last = messages.at(-1)!.content;
      if (last === 'lantern 9?') return `It is ${planted.TOY_KEY}.`;
      return /^(lantern|candle)/.test(last)
        ? mockAnswer(messages, model.includes('tuned') ? 'It glows red.' : '')
        : `${model} says hello to you`;
    },
    fault: ({ body }) =>
      body.messages?.at(-1).content === 'lantern 7?' || body.lora_path === '/loras/closed'
        ? { status: 400, body: `{"error":"not for Bearer ${planted.TOY_KEY}"}` }
        : null,
  });
  servers.push(server);
  return server;
}

test('no secret is in a run, its report, its exports, or what a failure says', async () => {
  const server = await serve();
  const model = { base: 'toy', adapters: { tuned: '/loras/tuned' }, apiKeyEnv: 'TOY_KEY', attempts: 2 };
  const { folder } = await world({ endpoint: server.endpoint, ...model });
  const judge = { endpoint: server.endpoint, name: 'toy', apiKeyEnv: 'TOY_KEY' };
  writeFileSync(
    join(folder, 'judges.yaml'),
    JSON.stringify({ judges: [{ type: 'llama-guard', model: judge }] }),
  );
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
    await aftertune(folder, ['run', 'config.yaml', '--dry-run', '--json']),
    await aftertune(folder, [
      'run',
      'config.yaml',
      '--set',
      'model.adapters.tuned=/loras/closed',
      '--out',
      'closed',
    ]),
    await aftertune(folder, ['doctor', 'config.yaml', '--json']),
    await aftertune(folder, ['doctor', 'config.yaml', '--probe']),
    await aftertune(folder, ['judge', 'run', '--config', 'judges.yaml', '--json']),
    await aftertune(folder, ['report', 'run', '--show-completions']),
    await aftertune(folder, ['gate', 'run', '--json']),
    await aftertune(folder, ['compare', 'run', 'run', '--json']),
    await aftertune(folder, ['list', '.', '--json']),
  ];
  expect(said[1]!.code).toBe(3);
  expect(said[7]!.printed).toContain('does not load /loras/closed: 400 {"error":"not for Bearer [key]"}');
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
      'builtin:wren',
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
  expect(
    existsSync(join(folder, 'run/adapters/.harmful.job/log.txt')) ||
      existsSync(join(folder, 'run/adapters/.harmful.job')),
  ).toBe(true);
  expect(search(folder).holding).toEqual([]);
});

test('pages of the viewer and what `serve` says hold no secret', async () => {
  const server = await serve();
  const model = { base: 'toy', adapters: { tuned: '/loras/tuned' }, apiKeyEnv: 'TOY_KEY', attempts: 2 };
  const { folder } = await world({ endpoint: server.endpoint, ...model });
  await aftertune(folder, ['run', 'config.yaml']);
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
  const served = begin(folder, ['serve', '--model', 'builtin:wren', '--port', '0', '--json'], {
    AFTERTUNE_SERVE_KEY: key,
  });
  let told = '';
  for (const stream of [served.stdout, served.stderr]) stream.on('data', (chunk) => (told += chunk));
  while (!told.includes('\n}')) await once(served.stdout, 'data');
  const { url: endpoint } = JSON.parse(told.slice(told.indexOf('{'))) as { url: string };
  const ask = (authorization: string) =>
    fetch(`${endpoint}/models?key=${mark}`, { headers: { authorization } });
  for (const authorization of [`Bearer ${key}`, `Bearer ${key}-wrong`])
    told += await (await ask(authorization)).text();
  served.kill('SIGINT');
  await once(served, 'exit');
  expect(told).toContain('/v1/models 401');
  expect(told).not.toContain(mark);
});
