import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { packageRoot } from '../src/files.ts';
import { mockAnswer, mockFolder } from './mock-world.ts';
import { type ToyServer, toyServer } from './models/openai/toy-server.ts';

/** Secrets that a command finds in its environment, a server that repeats one, and a search for them. */

export const mark = 'plantedsecret';
export const planted = {
  TOY_KEY: `sk-${mark}-server`,
  OPENAI_API_KEY: `sk-${mark}-openai`,
  HF_TOKEN: `hf_${mark}`,
  PLAY_TOKEN: `${mark}-launcher`,
  DATA_FOLDER: `${mark}-folder`,
};
const cli = join(packageRoot, 'dist/cli.js');

const environmentOf = (folder: string) => ({ PATH: process.env.PATH, HOME: folder, ...planted });

/** Starts the command line. */
export function begin(folder: string, args: readonly string[], environment: Record<string, string> = {}) {
  return spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    env: { ...environmentOf(folder), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs it; what it printed on both streams. */
export function aftertune(folder: string, args: readonly string[], environment: Record<string, string> = {}) {
  const child = begin(folder, args, environment);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  return new Promise<{ code: number | null; printed: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, printed })),
  );
}

/** Files of a folder that hold a secret, in their text or their name; how many files there are. */
export function search(folder: string): { holding: string[]; files: number } {
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

export async function world(model: object) {
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
export async function serve(): Promise<ToyServer> {
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
  onTestFinished(() => server.close());
  return server;
}
