import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/files.ts';

/** Secrets that a command finds in its environment, and a search for them. */

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
