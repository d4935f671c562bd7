import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AuditError } from '../errors.ts';
import { sha256 } from '../hash.ts';
import { byStart, type LineCount, lineCount, overviewOf, type RunOverview, runFolders } from '../runs.ts';

/** The runs that are shown, by an id of their own: no part of an address ever becomes a path. */
export interface Catalogue {
  /** Oldest first. */
  list(): CatalogueEntry[];
  /** The folder of a run; null where none has this id. */
  find(id: string): string | null;
  /** The id of the only run that was named; null where there are several, or folders of runs. */
  readonly only: string | null;
}

export interface CatalogueEntry extends RunOverview {
  readonly id: string;
}

/** `places`: run folders and folders that hold some, looked at anew each time. @throws AuditError `config`. */
export function openCatalogue(places: readonly string[]): Catalogue {
  const paths = places.map((place) => resolve(place));
  const missing = paths.filter((path) => !existsSync(path) || !statSync(path).isDirectory());
  if (missing.length > 0) {
    throw new AuditError('config', `no such folder: ${missing.join(', ')}`, {
      hint: 'give a run folder, or a folder that holds some',
    });
  }
  const folders = () => [...new Set(paths.flatMap((path) => (isRun(path) ? [path] : runFolders(path))))];
  const finished = new Map<string, CatalogueEntry>();
  const counts = new Map<string, LineCount>();
  /** A finished run is read once: whatever changes it writes done.json again. */
  const entryOf = (directory: string): CatalogueEntry => {
    const done = join(directory, 'done.json');
    const key = existsSync(done) ? `${directory}\u0000${statSync(done).mtimeMs}` : null;
    const known = key === null ? undefined : finished.get(key);
    if (known) return known;
    const count = counts.get(directory) ?? lineCount(directory);
    const entry = { ...overviewOf(directory, count), id: idOf(directory) };
    if (key === null) counts.set(directory, count);
    else finished.set(key, entry);
    return entry;
  };
  const [first] = paths;
  return {
    list: () => byStart(folders().map(entryOf)),
    find: (id) => folders().find((directory) => idOf(directory) === id) ?? null,
    only: first !== undefined && paths.length === 1 && isRun(first) ? idOf(first) : null,
  };
}

const isRun = (path: string) => existsSync(join(path, 'run.json'));
const idOf = (directory: string) => sha256(directory).slice(0, 16);
