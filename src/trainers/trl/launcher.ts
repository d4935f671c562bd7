import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AuditError } from '../../errors.ts';
import { diskError } from '../../files.ts';
import { scriptName } from './job.ts';

/** How a launcher ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines it wrote. */
  readonly tail: readonly string[];
}

/** Enough to hold what a script said before its launcher told, for every process, that it had ended. */
const keptLines = 400;
/** What a process group that was asked to end is given before it is killed. */
const graceMs = 10_000;

/**
 * A launcher line as program and arguments. Quotes group, a backslash takes the next character as it is, and no shell
 * sees any of it: variables, pipes and wildcards are plain text.
 * @throws AuditError `config` when a quote is not closed or nothing is named.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let [word, quote]: [string | null, string] = [null, ''];
  for (let at = 0; at < line.length; at++) {
    const letter = line[at]!;
    if (quote && letter === quote) quote = '';
    else if (!quote && (letter === '"' || letter === "'")) [word, quote] = [word ?? '', letter];
    else if (letter === '\\' && quote !== "'" && at + 1 < line.length) word = (word ?? '') + line[++at]!;
    else if (!quote && /\s/.test(letter)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + letter;
  }
  if (word !== null) words.push(word);
  if (quote || words.length === 0)
    throw new AuditError('config', `training.launcher: ${quote ? `${quote} is not closed` : 'is empty'}`, {
      hint: 'for example python, or accelerate launch --num_processes 4 {script} {config}',
    });
  return words;
}

/** The words with {script}, {config} and {folder} filled in; a line that names neither script nor config gets both behind it. */
export function commandFor(line: string, folder: string): string[] {
  const places = { script: join(folder, scriptName), config: join(folder, 'config.json'), folder };
  const words = splitCommand(line);
  const whole = /\{(script|config|folder)\}/.test(line) ? words : [...words, '{script}', '{config}'];
  return whole.map((word) =>
    word.replace(/\{(script|config|folder)\}/g, (_, name: 'script') => places[name]),
  );
}

/**
 * Runs a command in a process group of its own, its output in log.txt of the folder with the values of secret variables
 * taken out; when the signal fires the whole group ends.
 * @throws AuditError `config` when there is no such program.
 */
export async function runLauncher(
  [program, ...args]: readonly string[],
  folder: string,
  signal?: AbortSignal,
): Promise<Ending> {
  const conceal = concealing(process.env);
  const child = spawn(program!, args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, AFTERTUNE_PARENT: String(process.pid), PYTHONUNBUFFERED: '1' },
  });
  const tail: string[] = [];
  const remember = (line: string) => {
    tail.push(line);
    if (tail.length > keptLines) tail.shift();
  };
  const keep = (line: string) => {
    const shown = conceal(line);
    remember(shown);
    try {
      appendFileSync(join(folder, 'log.txt'), `${shown}\n`, { mode: 0o600 });
    } catch (error) {
      remember(String((diskError(folder, error) as Error).message));
    }
  };
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', keep);
  const end = endGroup(child.pid);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (error) => reject(cannotStart(program!, error)));
      child.on('close', (code, killed) => resolve({ code, signal: killed, tail }));
    });
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

/** Asks a process group to end, and makes it end a while later. */
function endGroup(pid: number | undefined): () => void {
  const send = (signal: NodeJS.Signals) => {
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // It has ended.
    }
  };
  return () => {
    send('SIGTERM');
    setTimeout(send, graceMs, 'SIGKILL').unref();
  };
}

function cannotStart(program: string, error: NodeJS.ErrnoException): AuditError {
  const why = error.code === 'ENOENT' ? 'no such program' : error.message;
  return new AuditError('config', `training.launcher: ${program}: ${why}`, {
    hint: 'name the program that runs Python, such as python3 or the path of a virtual environment’s python',
    cause: error,
  });
}

const secretName = /key|token|secret|passw|credential/i;

/** Puts the names of secret variables in place of their values. */
function concealing(variables: Readonly<Record<string, string | undefined>>): (line: string) => string {
  const secrets = Object.entries(variables).filter(
    ([name, value]) => secretName.test(name) && (value?.length ?? 0) >= 8,
  );
  return (line) => secrets.reduce((shown, [name, value]) => shown.replaceAll(value!, `\${${name}}`), line);
}
