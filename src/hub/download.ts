import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AuditError, throwIfAborted } from '../errors.ts';
import { gitBlobSha1File, sha256File } from '../hash.ts';
import { inCache, sizeOf } from './cache.ts';
import { type RepositoryFile, unreachable } from './client.ts';

/** How often a transfer may break off without a new byte before that is an error. */
const idleAttempts = 3;

export interface Download {
  readonly file: RepositoryFile;
  /** Where the content comes to lie, whole. */
  readonly blob: string;
  /** For people. */
  readonly name: string;
  /** The body from a byte on. */
  readonly open: (from: number) => Promise<Response>;
  readonly onBytes: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches one content: goes on where an earlier download stopped, checks its hash on the disk, and renames it last,
 * so that a blob is whole or not there. Each process writes a file of its own, so several never mix.
 * @throws AuditError `network` when it breaks off (what came is kept) or is not what the Hub listed (it is deleted);
 * `disk`, `interrupted`.
 */
export async function download(job: Download): Promise<void> {
  const { blob } = job;
  const own = `${blob}.${process.pid}-${randomBytes(4).toString('hex')}.incomplete`;
  writing.add(own);
  try {
    inCache(blob, () => takeOver(blob, own));
    const descriptor = inCache(blob, () => openSync(own, 'a+', 0o644));
    closeSync(descriptor);
    await fill(job, own);
    await verify(job, own);
    inCache(blob, () => renameSync(own, blob));
  } catch (error) {
    // For the next process to go on with, where it is of use.
    if (sizeOf(own) && !(error instanceof NotAsListed)) renameSync(own, `${blob}.incomplete`);
    else rmSync(own, { force: true });
    throw error;
  } finally {
    writing.delete(own);
  }
}

/** What was written of the file is of no use. */
class NotAsListed extends AuditError {}

/** Files that this process is writing. */
const writing = new Set<string>();

/** Makes what an earlier download left this one's, if there is any; the rename lets only one process have it. */
function takeOver(blob: string, own: string): void {
  const folder = dirname(blob);
  const leftovers = readdirSync(folder)
    .filter((name) => {
      const [, hash, pid] = /^([0-9a-f]+)(?:\.(\d+)-[0-9a-f]{8})?\.incomplete$/.exec(name) ?? [];
      const isFree = pid === undefined || (!writing.has(join(folder, name)) && !isAlive(Number(pid)));
      return hash === basename(blob) && isFree;
    })
    .map((name) => join(folder, name));
  const longest = leftovers.sort((a, b) => (sizeOf(a) ?? 0) - (sizeOf(b) ?? 0)).pop();
  try {
    if (longest) renameSync(longest, own);
  } catch {
    // Another process was quicker.
  }
  for (const other of leftovers) rmSync(other, { force: true });
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false; // not among those it is writing
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Asks for what is missing until nothing is. */
async function fill(job: Download, path: string): Promise<void> {
  const { size } = job.file;
  const descriptor = inCache(path, () => openSync(path, 'r+'));
  try {
    let have = sizeOf(path) ?? 0;
    if (have > size) have = 0;
    for (let [most, idle] = [have, 0]; have < size; most = Math.max(most, have)) {
      job.onBytes(have);
      const response = await job.open(have);
      have = startOf(response, have, job);
      inCache(path, () => ftruncateSync(descriptor, have));
      const cut = await receive(response, (bytes) => {
        if (have + bytes.length > size) throw notAsListed(job, `it has more than ${size} bytes`);
        writeAt(path, descriptor, bytes, have);
        have += bytes.length;
        job.onBytes(have);
      });
      throwIfAborted(job.signal);
      idle = have > most ? 0 : idle + 1;
      if (have < size && idle >= idleAttempts) throw brokenOff(job, have, cut);
    }
    inCache(path, () => {
      ftruncateSync(descriptor, size);
      fsyncSync(descriptor);
    });
  } finally {
    closeSync(descriptor);
  }
}

/** Hands on a body piece by piece. @returns what cut it off; null when it came to its end. */
async function receive(response: Response, take: (bytes: Uint8Array) => void): Promise<Error | null> {
  try {
    for await (const bytes of response.body ?? []) take(bytes as Uint8Array);
    return null;
  } catch (error) {
    if (error instanceof AuditError) throw error;
    return error as Error;
  }
}

/** From which byte on a body continues: where we asked for it, or the beginning. */
function startOf({ status, headers }: Response, asked: number, job: Download): number {
  const { size } = job.file;
  if (status === 416) throw notAsListed(job, `it ends before byte ${asked} of ${size}`);
  if (status !== 206) return 0;
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  if (Number(from) === asked && (total === '*' || Number(total) === size)) return asked;
  throw notAsListed(
    job,
    `bytes from ${asked} of ${size} were asked for, ${headers.get('content-range')} came`,
  );
}

function writeAt(path: string, descriptor: number, bytes: Uint8Array, position: number): void {
  inCache(path, () => {
    for (let at = 0; at < bytes.length; )
      at += writeSync(descriptor, bytes, at, bytes.length - at, position + at);
  });
}

async function verify(job: Download, path: string): Promise<void> {
  const { sha256, gitSha1 } = job.file;
  const found = sha256 ? await sha256File(path) : await gitBlobSha1File(path);
  if (found === (sha256 ?? gitSha1)) return;
  throw notAsListed(job, `its ${sha256 ? 'SHA-256' : 'git SHA-1'} is ${found}, not ${sha256 ?? gitSha1}`);
}

function notAsListed({ name }: Download, why: string): AuditError {
  return new NotAsListed('network', `${name}: the file that came is not the one that the Hub lists: ${why}`, {
    hint: 'the partial file was deleted: run the same command again; if it stays so, a proxy or mirror changes the file',
  });
}

function brokenOff({ name, file }: Download, have: number, error: Error | null): AuditError {
  const cause = unreachable(name, error ?? new Error('the transfer ends too early'));
  return new AuditError('network', `${cause.message} after ${have} of ${file.size} bytes`, {
    ...(cause.hint && { hint: cause.hint }),
    ...(error && { cause: error }),
  });
}
