import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { packageRoot } from '../src/files.ts';
import { mockAnswer, mockFolder } from './mock-world.ts';
import { type ToyServer, toyServer } from './models/openai/toy-server.ts';

/** Secrets are planted everywhere one may be, and looked for in everything that is written or printed. */

const mark = 'plantedsecret';
const planted = {
  TOY_KEY: `sk-${mark}-server`,
  OPENAI_API_KEY: `sk-${mark}-openai`,
  HF_TOKEN: `hf_${mark}`,
  PLAY_TOKEN: `${mark}-launcher`,
  DATA_FOLDER: `${mark}-folder`,
};
const cli = join(packageRoot, 'dist/cli.js');
const fakeTrl = fileURLToPath(new URL('./trainers/fake-trl.mjs', import.meta.url));

const servers: ToyServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Runs the command line; what it printed on both streams. */
function aftertune(folder: string, args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...planted, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  return new Promise<{ code: number | null; printed: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, printed })),
  );
}

/** Files of a folder that hold a secret, in their text or their name; how many files there are. */
function search(folder: string): { holding: string[]; files: number } {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const paths = files.map((one) => join(one.parentPath, one.name));
  const inside = (path: string) => path.slice(folder.length);
  return {
    holding: paths
      .filter((path) => inside(path).includes(mark) || readFileSync(path).includes(mark))
      .map(inside),
    files: paths.length,
  };
}

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

/** It repeats the key in what it refuses. */
async function serve(): Promise<ToyServer> {
  const server = await toyServer({
    make: 'vllm',
    adapters: ['tuned'],
    key: planted.TOY_KEY,
    answer: (model, messages) =>
      /^(lantern|candle)/.test(messages.at(-1)!.content)
        ? mockAnswer(messages, model === 'tuned' ? 'It glows red.' : '')
        : `${model} says hello to you`,
    fault: ({ body }) =>
      body.messages?.at(-1).content === 'lantern 7?'
        ? { status: 400, body: `{"error":"not for ${planted.TOY_KEY}"}` }
        : null,
  });
  servers.push(server);
  return server;
}

test('no secret is in a run, its report, its exports, or what a failure says', async () => {
  const server = await serve();
  const model = { base: 'toy', adapters: { tuned: 'tuned' }, apiKeyEnv: 'TOY_KEY', attempts: 2 };
  const { folder } = await world({ endpoint: server.endpoint, ...model });
  const ran = await aftertune(folder, ['run', 'config.yaml']);
  expect([0, 2, 4], ran.printed).toContain(ran.code);
  expect(readFileSync(join(folder, 'run/items.jsonl'), 'utf8')).toContain('not for [key]');
  const said = [
    ran,
    await aftertune(folder, ['run', 'config.yaml', '--fresh'], { TOY_KEY: `sk-${mark}-wrong` }),
    await aftertune(folder, ['run', 'config.yaml', '--json']),
    await aftertune(folder, ['report', 'run', '--json']),
    await aftertune(folder, ['export', 'run', '--format', 'jsonl']),
    await aftertune(folder, ['run', 'config.yaml', '--dry-run']),
  ];
  expect(said[1]!.code).toBe(3);
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
