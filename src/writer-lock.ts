import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AuditError } from './errors.ts';
import { diskError } from './files.ts';
import { sha256 } from './hash.ts';

const lockName = /^writer-(\d+)-([0-9a-f]{8})\.lock$/;

/** Whether a file of a run folder is a writer's lock. */
export function isLock(name: string): boolean {
  return lockName.test(name);
}

/**
 * Makes this process the folder's only writer; call the result to let go.
 * The lock's name holds the process id and start time, so a dead process's lock is told from a living one's,
 * even where its id was given out again. It guards one machine, not a shared disk.
 * @throws AuditError `store` when another process writes there; `disk` when the folder cannot be written.
 */
export function lockFolder(directory: string): () => void {
  const own = join(directory, lockOf(process.pid));
  try {
    writeFileSync(own, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(directory, process.pid);
    throw diskError(directory, error);
  }
  for (const name of readdirSync(directory)) {
    const pid = Number(lockName.exec(name)?.[1]);
    if (Number.isNaN(pid) || join(directory, name) === own) continue;
    if (name === lockOf(pid)) {
      rmSync(own, { force: true });
      throw inUse(directory, pid);
    }
    rmSync(join(directory, name), { force: true });
  }
  return () => rmSync(own, { force: true });
}

/** How long a short write of another process is waited for. */
const patienceMs = 3000;

/**
 * As `lockFolder`, for writes that take moments: waits up to three seconds for another process's to end.
 * @throws AuditError `store` when it is still writing then; `disk`.
 */
export async function lockFolderSoon(directory: string): Promise<() => void> {
  for (const until = performance.now() + patienceMs; ; ) {
    try {
      return lockFolder(directory);
    } catch (error) {
      if (!(error instanceof FolderInUse) || performance.now() > until) throw error;
    }
    // Two that met are not to meet again.
    await wait(randomInt(1, 20));
  }
}

/** The process that writes in a folder; null when none does. */
export function writerOf(directory: string): number | null {
  const pids = readdirSync(directory).map((name) => ({ name, pid: Number(lockName.exec(name)?.[1]) }));
  return pids.find(({ name, pid }) => !Number.isNaN(pid) && name === lockOf(pid))?.pid ?? null;
}

/** The name of a living process's lock; of a dead one's, a name that no lock has. */
function lockOf(pid: number): string {
  return `writer-${pid}-${sha256(startOf(pid)).slice(0, 8)}.lock`;
}

class FolderInUse extends AuditError {}

const inUse = (directory: string, pid: number) =>
  new FolderInUse('store', `${directory}: process ${pid} is writing there`, {
    hint: 'wait for it to end, or choose another folder with --out',
  });

/** When a process started, as text that no other process with this id shares; empty when there is none. */
function startOf(pid: number): string {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? '' : `${boot} ${startTicks}`;
  } catch {
    return '';
  }
}
