import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/**
 * Damaged files of every kind that strangers give us, and servers' answers, in child processes: each is read or refused with a message,
 * within five seconds and a bounded memory, and nothing is written outside its folder.
 */

const cases: Readonly<Record<string, number>> = {
  safetensors: 1500,
  'model config': 1500,
  adapter: 1500,
  tokenizer: 1200,
  template: 1000,
  csv: 1000,
  jsonl: 1200,
  parquet: 800,
  yaml: 1000,
  'run folder': 500,
  'server body': 600,
};
const seed = process.env.FUZZ_SEED ?? '1';
const longestMs = 5000;
const memoryMiB = 600;

interface Told {
  readonly cases: number;
  readonly read: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly memoryMiB: number;
  readonly failed?: number;
  readonly error?: string;
}

/** Runs a child; one that is silent for too long on a case is killed, and the case named. */
function fuzz(target: string, folder: string, home: string): Promise<Told> {
  const child = fork(join(import.meta.dirname, 'child.mjs'), [target, seed, String(cases[target]), folder], {
    execArgv: ['--max-old-space-size=400'],
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, XDG_CACHE_HOME: home },
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let [out, errors, at] = ['', '', -1];
    const hung = () => {
      child.kill('SIGKILL');
      reject(new Error(`${target}, seed ${seed}: case ${at} takes longer than ${longestMs} ms`));
    };
    // Starting and making the whole files is no case yet.
    let timer = setTimeout(hung, 60_000);
    child.on('message', (message) => {
      at = Number(message);
      clearTimeout(timer);
      timer = setTimeout(hung, longestMs);
    });
    child.stdout!.on('data', (chunk) => (out += chunk));
    child.stderr!.on('data', (chunk) => (errors += chunk));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const last = out.trim().split('\n').at(-1) ?? '';
      if (last.startsWith('{')) resolve(JSON.parse(last) as Told);
      else
        reject(
          new Error(
            `${target}, seed ${seed}: died (${code ?? signal}) at case ${at}: ${errors.slice(-2000)}`,
          ),
        );
    });
  });
}

test('there are ten thousand cases', () => {
  expect(Object.values(cases).reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(10_000);
});

test.each(Object.keys(cases))(
  '%s: read or refused, never a crash, a hang or a file elsewhere',
  async (target) => {
    const outside = mkdtempSync(join(tmpdir(), 'aftertune-fuzz-'));
    const [folder, home] = [join(outside, 'case'), join(outside, 'home')];
    mkdirSync(home);
    try {
      const told = await fuzz(target, folder, home);
      expect(told.error, `case ${told.failed} of seed ${seed}`).toBeUndefined();
      const refused = Object.values(told.refused).reduce((a, b) => a + b, 0);
      expect(told.read + refused).toBe(cases[target]);
      // Damage that is never noticed, or whole files that are never read, would prove nothing.
      expect(refused).toBeGreaterThan(told.cases / 20);
      expect(told.slowestMs).toBeLessThan(longestMs);
      expect(told.memoryMiB).toBeLessThan(memoryMiB);
      expect(readdirSync(outside).sort()).toEqual(['case', 'home']);
      expect(readdirSync(home)).toEqual([]);
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  },
);
