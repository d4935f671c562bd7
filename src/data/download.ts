import { createHash } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { AuditError, throwIfAborted } from '../errors.ts';
import { diskError } from '../files.ts';
import { createHubClient, isOffline } from '../hub/client.ts';
import { causeOf, fetchFrom } from '../proxy.ts';
import { type DataSource, originalName } from './sources.ts';

export interface DownloadHooks {
  /** Bytes so far, and of how many where the server says. */
  readonly onBytes?: (done: number, total: number | null) => void;
  readonly signal?: AbortSignal | undefined;
  /** How long nothing may come. */
  readonly idleMs?: number;
}

/** The address of the file, for people and for a download by hand. */
export function addressOf({ origin, revision }: DataSource): string {
  if (origin.kind === 'web') return origin.url;
  const hub = (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  return `${hub}/datasets/${origin.repository}/resolve/${revision}/${origin.path}`;
}

/** What to do where a download is not possible. */
export function byHand(name: string, source: DataSource): string {
  return `by hand: download ${addressOf(source)} and run aftertune data get ${name} --from ${originalName(source.origin)}`;
}

/**
 * Writes the file of a data set to `path`, from the beginning: these files are small. Nothing is left there on failure.
 * A Hub set uses HF_ENDPOINT and HF_TOKEN; HF_HUB_OFFLINE forbids both kinds.
 * @returns SHA-256 and size of what came.
 * @throws AuditError `network`, `data` (refused, not there, too large), `disk`, `interrupted`.
 */
export async function downloadData(
  name: string,
  source: DataSource,
  path: string,
  hooks: DownloadHooks = {},
): Promise<{ sha256: string; bytes: number }> {
  if (isOffline())
    throw new AuditError('network', `${name}: the network is not to be used (HF_HUB_OFFLINE is set)`, {
      hint: `unset it, or ${byHand(name, source)}`,
    });
  const idle = idleTimer(hooks);
  try {
    const response = await open(name, source, idle.signal);
    return await receive(name, source, response, path, { ...hooks, onChunk: idle.restart });
  } catch (error) {
    rmSync(path, { force: true });
    throwIfAborted(hooks.signal);
    throw explain(name, source, idle.fired() ? new Error('nothing came for too long') : error);
  } finally {
    idle.stop();
  }
}

/** Aborts when the caller does, or when nothing came for a while. */
function idleTimer({ signal, idleMs = 30_000 }: DownloadHooks) {
  const controller = new AbortController();
  const start = () => setTimeout(() => controller.abort(), idleMs);
  let timer = start();
  return {
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
    fired: () => controller.signal.aborted,
    restart: () => {
      clearTimeout(timer);
      timer = start();
    },
    stop: () => clearTimeout(timer),
  };
}

/** The body of the file, redirects followed. */
async function open(name: string, source: DataSource, signal: AbortSignal): Promise<Response> {
  const { origin, revision } = source;
  if (origin.kind === 'hub') {
    const client = await createHubClient(signal);
    const repository = { repository: `datasets/${origin.repository}`, revision, path: origin.path };
    return client.open(repository, revision, origin.path, 0);
  }
  const response = await fetchFrom(origin.url, { signal });
  if (response.ok) return response;
  await response.body?.cancel();
  const code = response.status >= 500 || response.status === 429 ? 'network' : 'data';
  const what =
    response.status === 404 ? 'nothing lies at its address' : `the server answers with ${response.status}`;
  throw new AuditError(code, `${name}: ${what}`, { hint: `see ${source.page}` });
}

async function receive(
  name: string,
  source: DataSource,
  response: Response,
  path: string,
  { onBytes, onChunk }: DownloadHooks & { onChunk: () => void },
): Promise<{ sha256: string; bytes: number }> {
  const length = response.headers.get('content-length');
  // Of a compressed body it is another length.
  const total = length === null || response.headers.has('content-encoding') ? null : Number(length);
  const hash = createHash('sha256');
  const descriptor = onDisk(path, () => openSync(path, 'w', 0o600));
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      onChunk();
      const piece = chunk as Uint8Array;
      bytes += piece.length;
      if (bytes > source.largestBytes)
        throw new AuditError('data', `${name}: more than ${source.largestBytes} bytes came; this is not it`, {
          hint: byHand(name, source),
        });
      hash.update(piece);
      onDisk(path, () => {
        for (let at = 0; at < piece.length; ) at += writeSync(descriptor, piece, at);
      });
      onBytes?.(bytes, total);
    }
  } finally {
    closeSync(descriptor);
  }
  if (total !== null && bytes !== total) throw new Error(`${bytes} of ${total} bytes came`);
  return { sha256: hash.digest('hex'), bytes };
}

function onDisk<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(path, error);
  }
}

/** Every failure with the way round it. */
function explain(name: string, source: DataSource, error: unknown): unknown {
  const hand = byHand(name, source);
  if (!(error instanceof AuditError)) {
    return new AuditError('network', `${name}: the download broke off: ${causeOf(error as Error)}`, {
      hint: `run the same command again, or ${hand}`,
      cause: error,
    });
  }
  if (error.code === 'disk' || error.code === 'interrupted' || error.hint?.includes('by hand')) return error;
  const hint = error.code === 'network' ? 'run the same command again' : error.hint;
  return new AuditError(error.code === 'network' ? 'network' : 'data', error.message, {
    hint: hint ? `${hint}; or ${hand}` : hand,
    cause: error,
  });
}
