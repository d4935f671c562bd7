import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nearest } from '../config-problem.ts';
import { AuditError } from '../errors.ts';
import { diskError, writeFileAtomic } from '../files.ts';
import { sha256, sha256File } from '../hash.ts';
import type { Progress } from '../progress.ts';
import { type DataLock, isFile, makeDataFolder, readablePath, readLock, writeLock } from './cache.ts';
import { addressOf, downloadData } from './download.ts';
import { readOriginal, toJsonLines } from './readable.ts';
import { type DataSource, type DataSources, dataSources, originalName } from './sources.ts';

export interface GetOptions {
  /** A file that was downloaded by hand. */
  readonly from?: string | undefined;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  /** Other data sets than the package's own. */
  readonly sources?: DataSources;
  /** ISO 8601; now unless given. */
  readonly acceptedAt?: string;
}

/** @throws AuditError `config` naming the ones that exist. */
export function findSource(name: string, sources: DataSources = dataSources): DataSource {
  if (Object.hasOwn(sources, name)) return sources[name]!;
  const near = nearest(name, Object.keys(sources));
  throw new AuditError('config', `no data set is called ${name}`, {
    hint:
      near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there is ${Object.keys(sources).join(', ')}`,
  });
}

/** What whoever downloads a data set must have seen. */
export function termsOf(name: string, source: DataSource): string {
  return [
    `${source.title}`,
    `  ${source.page}`,
    `  file      ${addressOf(source)}`,
    `  revision  ${source.revision}`,
    `  licence   ${source.licence}`,
    ...(source.gate ? [`  gate      ${source.gate}`] : []),
    `  warning   ${source.warning}`,
    `  it is kept in ${readablePath(name, source)}, readable by you alone, and used as data:${name} (${source.use})`,
  ].join('\n');
}

/** Whether a data set is there, as it was recorded. */
export async function isIntact(name: string, source: DataSource): Promise<boolean> {
  const lock = readLock(name);
  const path = readablePath(name, source);
  return (
    lock?.revision === source.revision &&
    (source.sha256 === null || lock.sha256 === source.sha256) &&
    isFile(path) &&
    (await sha256File(path)) === lock.readableSha256
  );
}

/**
 * Brings a data set into the cache, whose terms the caller has shown and had accepted. What is there and intact stays.
 * The file is checked against the hash of the table, or of the first time it came; the lock file is written last.
 * @throws AuditError `network`, `data` (another file than recorded), `disk`, `interrupted`.
 */
export async function getData(name: string, options: GetOptions = {}): Promise<DataLock> {
  const source = findSource(name, options.sources);
  if (options.from === undefined && (await isIntact(name, source))) return readLock(name)!;
  const earlier = readLock(name);
  const folder = makeDataFolder(name);
  const path = join(folder, originalName(source.origin));
  const partial = `${path}.${process.pid}.incomplete`;
  try {
    const { sha256: found, bytes } = await bring(name, source, partial, options);
    const known = source.sha256 ?? (earlier?.revision === source.revision ? earlier.sha256 : null);
    if (known !== null && found !== known) throw otherFile(name, source, found, known, options);
    renameSync(partial, path);
    const rows = await readOriginal(path, source);
    const readable = readablePath(name, source);
    if (readable !== path) writeFileAtomic(readable, toJsonLines(rows));
    const lock: DataLock = {
      schema: 'aftertune/data-lock@1',
      name,
      revision: source.revision,
      sha256: found,
      bytes,
      readableSha256: readable === path ? found : await sha256File(readable),
      rows: rows.length,
      licence: source.licence,
      acceptedAt: options.acceptedAt ?? new Date().toISOString(),
    };
    writeLock(lock);
    return lock;
  } catch (error) {
    throw diskError(path, error);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** Puts the bytes into `partial`, from the network or a file of the user's. */
async function bring(name: string, source: DataSource, partial: string, options: GetOptions) {
  const { from, onProgress, signal } = options;
  if (from === undefined) {
    const onBytes = (done: number, total: number | null) => {
      const whole = total ?? source.largestBytes;
      onProgress?.({
        stage: 'download',
        label: name,
        done: inKilobytes(done),
        total: inKilobytes(whole),
        unit: 'kB',
      });
    };
    return downloadData(name, source, partial, { onBytes, signal });
  }
  const path = resolve(from);
  if (!existsSync(path) || !isFile(path)) {
    throw new AuditError('data', `${path}: no such file`, { hint: `download it from ${addressOf(source)}` });
  }
  const content = readFileSync(path);
  if (content.length > source.largestBytes) {
    throw new AuditError(
      'data',
      `${path}: is larger than ${source.largestBytes} bytes; this is not ${name}`,
      {
        hint: `download it from ${addressOf(source)}`,
      },
    );
  }
  writeFileAtomic(partial, content);
  return { sha256: sha256(content), bytes: content.length };
}

const inKilobytes = (bytes: number) => Math.ceil(bytes / 1000);

function otherFile(
  name: string,
  source: DataSource,
  found: string,
  known: string,
  { from }: GetOptions,
): AuditError {
  const whence = source.sha256 === null ? 'what came the first time' : 'the table of this package';
  return new AuditError('data', `${name}: this is another file than expected; nothing was kept of it`, {
    problems: [`SHA-256 ${found}`, `expected ${known} (${whence}, revision ${source.revision})`],
    hint:
      from === undefined
        ? 'the download may be cut or changed on its way: run the same command again, or fetch the file elsewhere and use --from'
        : `download exactly ${addressOf(source)}`,
  });
}
