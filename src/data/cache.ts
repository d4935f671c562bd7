import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { diskError, makeFolder, readText, writeFileAtomic } from '../files.ts';
import { type DataSource, readableName } from './sources.ts';

/** What lock.json of a fetched data set says: which bytes its name stands for on this machine. */
const lockSchema = z.object({
  schema: z.literal('aftertune/data-lock@1'),
  name: z.string(),
  revision: z.string(),
  /** Of the file as its authors publish it. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
  /** Of the file that readers are given: the same one, or JSON lines made of it. */
  readableSha256: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.int().min(1),
  licence: z.string(),
  /** When its terms were accepted here, ISO 8601. */
  acceptedAt: z.string(),
});
export type DataLock = z.output<typeof lockSchema>;

/** AFTERTUNE_DATA, else ~/.cache/aftertune/data. */
export function dataRoot(): string {
  return process.env.AFTERTUNE_DATA || join(homedir(), '.cache', 'aftertune', 'data');
}

export const dataFolder = (name: string) => join(dataRoot(), name);

/** Where readers find a data set; it need not be there. */
export function readablePath(name: string, source: DataSource): string {
  return join(dataFolder(name), readableName(name, source));
}

/** Makes the folder of a data set, readable by its owner alone. @throws AuditError `disk`. */
export function makeDataFolder(name: string): string {
  const folder = dataFolder(name);
  try {
    makeFolder(folder);
  } catch (error) {
    throw diskError(folder, error);
  }
  return folder;
}

/** What was recorded when the data set was fetched; null when it never was. @throws AuditError `data` when it is damaged. */
export function readLock(name: string): DataLock | null {
  const path = join(dataFolder(name), 'lock.json');
  if (!existsSync(path)) return null;
  try {
    return lockSchema.parse(JSON.parse(readText(path, 'data', 'lock file')));
  } catch (error) {
    throw new AuditError('data', `${path}: is not what data get wrote`, {
      hint: `remove ${dataFolder(name)} and run aftertune data get ${name} again`,
      cause: error,
    });
  }
}

export function writeLock(lock: DataLock): void {
  writeFileAtomic(join(dataFolder(lock.name), 'lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
}

/** Whether a regular file lies there. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
