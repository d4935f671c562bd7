import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/files.ts';

/** `aftertune run config.yaml` in a folder, as a process of its own. */

const cli = join(packageRoot, 'dist/cli.js');

export interface Started {
  readonly said: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<{ code: number | null; said: string }>;
}

export function startRun(
  folder: string,
  flags: readonly string[] = [],
  environment: Record<string, string> = {},
): Started {
  const child = spawn(process.execPath, [...flags, cli, 'run', 'config.yaml'], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, said })),
  );
  return { said: () => said, kill: (signal) => void child.kill(signal), ended };
}

export const runToEnd = (...args: Parameters<typeof startRun>) => startRun(...args).ended;
