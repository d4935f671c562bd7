import { readFileSync } from 'node:fs';
import { AuditError, throwIfAborted } from '../errors.ts';
import { ggufParts } from '../files.ts';
import { openCache, type RepositoryCache, sizeOf } from './cache.ts';
import { createHubClient, type HubClient, isOffline, type RepositoryFile } from './client.ts';
import { download } from './download.ts';
import { formatHubName, type HubName, isCommit, parseHubName } from './name.ts';
import { type HubKind, neededFiles } from './needed.ts';

/** How far the files of one name have come, in bytes; what was there before is no part of it. */
export interface FetchProgress {
  /** `owner/name`, or `owner/name:path`. */
  readonly label: string;
  readonly file: string;
  readonly done: number;
  readonly total: number;
}

export interface FetchHooks {
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A name whose revision is a commit, and what of it is not in the cache. */
interface Planned {
  readonly name: HubName;
  readonly cache: RepositoryCache;
  readonly missing: readonly RepositoryFile[];
}

/**
 * Brings models and adapters of the Hugging Face Hub into its standard cache: of every repository the files that are
 * needed and not there. All names are resolved before anything large is fetched.
 * @param wanted what each Hub name is to be.
 * @returns the names with the commits their revisions stand for: `localPath` finds them without the network.
 * @throws AuditError `config`, `model`, `adapter`, `network`, `disk`, `interrupted`.
 */
export async function fetchFromHub(
  wanted: ReadonlyMap<string, HubKind>,
  hooks: FetchHooks = {},
): Promise<Map<string, string>> {
  const client = isOffline() ? null : await createHubClient(hooks.signal);
  const planned = new Map<string, Planned>();
  for (const [text, kind] of wanted) planned.set(text, await plan(parseHubName(text), kind, client));
  for (const each of planned.values()) if (client) await fetchMissing(each, client, hooks);
  return new Map([...planned].map(([text, { name }]) => [text, formatHubName(name)]));
}

async function plan(asked: HubName, kind: HubKind, client: HubClient | null): Promise<Planned> {
  const cache = await openCache(asked.repository);
  const commit = await commitOf(asked, cache, client);
  const name = { ...asked, revision: commit };
  const isThere = (path: string) => sizeOf(cache.pathOf(commit, path)) !== null;
  if (name.path.endsWith('.gguf') && ggufParts(name.path).every(isThere)) return { name, cache, missing: [] };
  const listing = cache.readListing(commit) ?? (await list(name, cache, client));
  // Offline and without a listing, what is there is all that can be had.
  const files = listing ? new Map(listing.map((file) => [file.path, file])) : null;
  const paths = files?.keys() ?? present(cache, name);
  const needed = await neededFiles(name, kind, new Set(paths), async (path) => {
    const index = files?.get(path);
    if (client && index && !cache.has(commit, index)) await fetchFile({ name, cache }, index, client, {});
    if (isThere(path)) return readFileSync(cache.pathOf(commit, path), 'utf8');
    throw notCached(name, [path]);
  });
  const missing = needed.flatMap((path) => files?.get(path) ?? []).filter((file) => !cache.has(commit, file));
  if (!client && missing.length > 0)
    throw notCached(
      name,
      missing.map(({ path }) => path),
    );
  return { name, cache, missing };
}

async function commitOf(name: HubName, cache: RepositoryCache, client: HubClient | null): Promise<string> {
  if (isCommit(name.revision)) return name.revision;
  if (client) {
    const commit = await client.commitOf(name);
    cache.writeCommit(name.revision, commit);
    return commit;
  }
  const commit = cache.readCommit(name.revision);
  if (commit !== null && isCommit(commit)) return commit;
  throw notCached(name, []);
}

async function list(
  name: HubName,
  cache: RepositoryCache,
  client: HubClient | null,
): Promise<RepositoryFile[] | null> {
  if (!client) return null;
  const files = await client.list(name, name.revision);
  cache.writeListing(name.revision, files);
  return files;
}

function present(cache: RepositoryCache, name: HubName): string[] {
  const names = cache.present(name.revision, name.path);
  if (names.length === 0) throw notCached(name, []);
  return names.map((file) => (name.path ? `${name.path}/${file}` : file));
}

function notCached(name: HubName, files: readonly string[]): AuditError {
  return new AuditError('model', `${formatHubName(name)}: is not whole in the cache`, {
    problems: files.map((file) => `${file} is missing`),
    hint: 'HF_HUB_OFFLINE is set: unset it to fetch what is missing, or set HF_HUB_CACHE to the cache that has it',
  });
}

async function fetchMissing({ name, cache, missing }: Planned, client: HubClient, hooks: FetchHooks) {
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  const label = `${name.repository}${name.path && `:${name.path}`}`;
  let [before, told] = [0, -1];
  for (const file of missing) {
    throwIfAborted(hooks.signal);
    const onBytes = (bytes: number) => {
      const done = before + bytes;
      if (done !== told) hooks.onProgress?.({ label, file: file.path, done, total });
      told = done;
    };
    await fetchFile({ name, cache }, file, client, { ...hooks, onBytes });
    before += file.size;
  }
}

async function fetchFile(
  { name, cache }: Pick<Planned, 'name' | 'cache'>,
  file: RepositoryFile,
  client: HubClient,
  { onBytes = () => {}, signal }: { onBytes?: (done: number) => void; signal?: AbortSignal | undefined },
): Promise<void> {
  const commit = name.revision;
  const blob = cache.blobOf(file);
  if (sizeOf(blob) !== file.size) {
    await download({
      file,
      blob,
      name: formatHubName({ ...name, path: file.path }),
      open: (from) => client.open(name, commit, file.path, from),
      onBytes,
      signal,
    });
  }
  cache.link(commit, file);
  onBytes(file.size);
}
