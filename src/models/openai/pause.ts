import { sha256Json } from '../../hash.ts';
import { createRandom } from '../../random.ts';

/** How long to wait before a request is made again. */

/** Longest pause between two attempts, whatever a server asks for. */
const longestMs = 60_000;

/**
 * `Retry-After` in seconds, or as a date by the server's own clock where it tells it; 0 where it says nothing.
 * Source: RFC 9110, section 10.2.3.
 */
export function retryAfterMs(headers: Headers): number {
  const given = headers.get('retry-after')?.trim();
  if (!given) return 0;
  const server = Date.parse(headers.get('date') ?? '');
  const now = Number.isNaN(server) ? Date.now() : server;
  const ms = /^\d+(\.\d+)?$/.test(given) ? Number(given) * 1000 : Date.parse(given) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/**
 * Between half and the whole of a pause that doubles with every attempt (from 1), so that many clients do not come back
 * at once; a function of the request, so that a run repeats.
 */
export function backOffMs(body: object | null, attempt: number, firstMs: number): number {
  const spread = createRandom('back-off', sha256Json(body), attempt).next();
  return Math.min(longestMs, firstMs * 2 ** (attempt - 1)) * (0.5 + spread / 2);
}

/** Waits at most a minute, or until the signal fires. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, longestMs));
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}
