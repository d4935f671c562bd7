import {
  copyFileSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { diskError, makeFolder, writeFileAtomic } from '../files.ts';
import type { RepositoryFile } from './client.ts';
import { isHubName, leavesFolder, parseHubName } from './name.ts';

/**
 * One repository in the Hub's standard cache, which Python's huggingface_hub reads and writes too:
 * blobs/HASH, snapshots/COMMIT/PATH (links to blobs), refs/REVISION, trees/COMMIT.json.
 * Source: huggingface_hub 2.4, `file_download.py`, `_tree_cache.py`.
 */
export interface RepositoryCache {
  /** models--owner--name, absolute. */
  readonly folder: string;
  /** What a revision stood for when it was last asked for; null when it never was. */
  readCommit(revision: string): string | null;
  writeCommit(revision: string, commit: string): void;
  /** The whole listing of a commit; null where nobody kept it. */
  readListing(commit: string): RepositoryFile[] | null;
  writeListing(commit: string, files: readonly RepositoryFile[]): void;
  /** Where a file lies for its readers. */
  pathOf(commit: string, path: string): string;
  /** Names of the files that a folder of a snapshot has. */
  present(commit: string, path: string): string[];
  /** Whether the file is there, and of that many bytes. */
  has(commit: string, file: RepositoryFile): boolean;
  /** Where a file's content lies; the folder exists. */
  blobOf(file: RepositoryFile): string;
  /** Makes a content that is whole the file's. */
  link(commit: string, file: RepositoryFile): void;
}

/** A file's name among the blobs. */
const blobName = ({ sha256, gitSha1 }: RepositoryFile) => sha256 ?? gitSha1;

/** Opens the cache at HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. Creates nothing. */
export async function openCache(repository: string): Promise<RepositoryCache> {
  const { getHFHubCachePath, getRepoFolderName } = await import('@huggingface/hub');
  const folder = join(getHFHubCachePath(), getRepoFolderName({ type: 'model', name: repository }));
  const refOf = (revision: string) => join(folder, 'refs', revision);
  const treeOf = (commit: string) => join(folder, 'trees', `${commit}.json`);
  const pathOf = (commit: string, path: string) => join(folder, 'snapshots', commit, path);
  const blobOf = (file: RepositoryFile) => join(folder, 'blobs', blobName(file));
  return {
    folder,
    pathOf,
    readCommit: (revision) => readOrNull(refOf(revision))?.trim() ?? null,
    writeCommit: (revision, commit) => {
      if (readOrNull(refOf(revision)) !== commit) writeShared(refOf(revision), commit);
    },
    readListing: (commit) => parseTree(readOrNull(treeOf(commit))),
    writeListing: (commit, files) => writeShared(treeOf(commit), formatTree(files)),
    present: (commit, path) => {
      try {
        return readdirSync(pathOf(commit, path)).filter(
          (name) => sizeOf(join(pathOf(commit, path), name)) !== null,
        );
      } catch {
        return [];
      }
    },
    has: (commit, file) => sizeOf(pathOf(commit, file.path)) === file.size,
    blobOf: (file) => {
      inCache(folder, () => makeFolder(join(folder, 'blobs'), 0o777));
      return blobOf(file);
    },
    link: (commit, file) => {
      inCache(folder, () => linkBlob(folder, blobOf(file), pathOf(commit, file.path)));
    },
  };
}

/**
 * Where a model or an adapter lies on this disk: the snapshot of a Hub name with a commit, or the path itself.
 * Fetches nothing.
 */
export async function localPath(path: string): Promise<string> {
  if (!isHubName(path)) return path;
  const { repository, revision, path: within } = parseHubName(path);
  return (await openCache(repository)).pathOf(revision, within);
}

/** Bytes of a regular file, links followed; null when there is none. */
export function sizeOf(path: string): number | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.size : null;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Others on the machine read it too; a cache that cannot be written may hold all that is needed. */
function writeShared(path: string, text: string): void {
  try {
    makeFolder(dirname(path), 0o777);
    writeFileAtomic(path, text, 0o644);
  } catch {
    // It is only kept to ask less the next time.
  }
}

/** @throws AuditError `disk` with what to do about a cache that cannot be written. */
export function inCache<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const problem = error instanceof AuditError ? error : diskError(path, error);
    if (!(problem instanceof AuditError) || problem.code !== 'disk') throw problem;
    throw new AuditError('disk', problem.message, {
      hint: 'free some room or set HF_HUB_CACHE to another folder, then run the same command again: what was fetched is kept',
      cause: error,
    });
  }
}

/** A relative link, so that the cache can be moved; a copy where the file system has no links. */
function linkBlob(folder: string, blob: string, path: string): void {
  makeFolder(dirname(path), 0o777);
  // A link that somebody planted among the folders of a snapshot would lead out.
  const [inside, place] = [realpathSync(folder), realpathSync(dirname(path))];
  if (!place.startsWith(inside + sep)) {
    throw new AuditError('model', `${path}: a link in the cache leads to ${place}`, {
      hint: `remove ${dirname(path)} and run the same command again`,
    });
  }
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    symlinkSync(relative(dirname(path), blob), temporary);
  } catch {
    copyFileSync(blob, temporary);
  }
  renameSync(temporary, path);
}

const digits = (count: number) => z.string().regex(new RegExp(`^[0-9a-f]{${count}}$`));
const tree = z.object({
  format_version: z.literal(1),
  files: z.record(
    z.string().refine((path) => !leavesFolder(path)),
    z.object({
      size: z.int().min(0),
      blob_id: digits(40),
      lfs_sha256: digits(64).optional(),
      xet_hash: z.string().optional(),
    }),
  ),
});

function parseTree(text: string | null): RepositoryFile[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return null;
  }
  const parsed = tree.safeParse(value);
  if (!parsed.success) return null;
  return Object.entries(parsed.data.files).map(([path, { size, blob_id, lfs_sha256, xet_hash }]) => ({
    path,
    size,
    gitSha1: blob_id,
    sha256: lfs_sha256 ?? null,
    xetHash: xet_hash ?? null,
  }));
}

function formatTree(files: readonly RepositoryFile[]): string {
  const entries = files.map(({ path, size, gitSha1, sha256, xetHash }) => [
    path,
    {
      size,
      blob_id: gitSha1,
      ...(sha256 && { lfs_sha256: sha256, lfs_size: size }),
      ...(xetHash && { xet_hash: xetHash }),
    },
  ]);
  return JSON.stringify({ format_version: 1, files: Object.fromEntries(entries) }, null, 1);
}
