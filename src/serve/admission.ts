import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostOf, isLoopback } from '../loopback.ts';
import { readJsonBody } from '../request-body.ts';
import { ServeError } from './problem.ts';

/** Who may ask, and how much a request may hold. */

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * @param key what `Authorization: Bearer` must hold; null on loopback alone, where any page that a browser on this
 * machine shows could ask: its requests are told by the name they were sent to.
 * @throws ServeError 401 or 403.
 */
export function admit({ headers }: IncomingMessage, host: string, key: string | null): void {
  if (isLoopback(host) && !isLoopback(hostOf(headers)))
    throw new ServeError(403, 'the Host header does not name this machine');
  if (key === null) return;
  const given = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  // Hashes have one length, so the comparison takes one time.
  if (!timingSafeEqual(digest(given), digest(key)))
    throw new ServeError(401, 'missing or wrong API key', 'authentication_error');
}

export const bodyLimit = 8 * 2 ** 20;

/** @throws ServeError 413 for a body over 8 MiB, 415 for another type than JSON, 400 where it does not parse. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const body = await readJsonBody(request, bodyLimit);
  if ('value' in body) return body.value;
  throw new ServeError(body.status, bodyProblems[body.status]);
}

const bodyProblems = {
  400: 'the body is not JSON',
  413: `a body of more than ${bodyLimit} bytes`,
  415: 'content-type must be application/json',
};
