import { nearest } from '../config-problem.ts';
import { AuditError } from '../errors.ts';
import { sha256File } from '../hash.ts';
import { isFile, readablePath, readLock } from './cache.ts';
import { dataSources } from './sources.ts';

const prefix = 'data:';

/** What is wrong with a path that names a data set; null when nothing is, or when it names none. */
export function dataNameProblem(path: string): string | null {
  if (!path.startsWith(prefix)) return null;
  const name = path.slice(prefix.length);
  if (Object.hasOwn(dataSources, name)) return null;
  const near = nearest(name, Object.keys(dataSources));
  const advice =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : `there is ${Object.keys(dataSources).join(', ')}`;
  return `no data set is called ${name}; ${advice}`;
}

/** Where the data set that a path names lies; null for any other path. It need not have been fetched. */
export function placeData(path: string): string | null {
  if (!path.startsWith(prefix)) return null;
  const name = path.slice(prefix.length);
  return readablePath(name, dataSources[name]!);
}

/**
 * The fetched data sets among the files of a config: `data:NAME@REVISION` → SHA-256 of the file as published.
 * @throws AuditError `data` naming those that are not there, or not as they were fetched.
 */
export async function fetchedData(paths: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, source] of Object.entries(dataSources)) {
    const path = readablePath(name, source);
    if (!paths.includes(path)) continue;
    const lock = readLock(name);
    if (!lock || !isFile(path)) problems.push(`${name} is not there: aftertune data get ${name}`);
    else if ((await sha256File(path)) !== lock.readableSha256)
      problems.push(`${path} was changed: remove it and run aftertune data get ${name}`);
    else hashes[`${prefix}${name}@${lock.revision}`] = lock.sha256;
  }
  if (problems.length === 0) return hashes;
  throw new AuditError('data', 'data sets have to be fetched first', {
    problems,
    hint: 'data get shows their terms before it fetches anything',
  });
}
