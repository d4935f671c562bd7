import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Which addresses only this machine reaches, and by which a request came: what keeps other sites' pages out. */

const bare = (host: string) => host.replace(/^\[(.*)\]$/, '$1');

/** A host name or address without a port; IPv6 with or without brackets. */
export const isLoopback = (host: string): boolean =>
  ['localhost', '::1'].includes(bare(host)) || /^127(\.\d{1,3}){3}$/.test(host);

/** The host that a request names, without its port. */
export const hostOf = ({ host = '' }: IncomingHttpHeaders): string => bare(host.replace(/:\d+$/, ''));

/**
 * Whether a request was sent to this server by its own address: a page elsewhere whose name was made to lead here
 * (DNS rebinding) has another Host, and one that posts here has another Origin. A server on all addresses knows its
 * own only as numbers. `host` and `port`: what it listens on.
 */
export function isOwnAddress(headers: IncomingHttpHeaders, host: string, port: number): boolean {
  const given = headers.host ?? '';
  const named = given.replace(/:\d+$/, '');
  const everywhere = host === '0.0.0.0' || host === '::';
  const known =
    ['127.0.0.1', 'localhost', '::1', host].includes(bare(named)) || (everywhere && isIP(bare(named)) !== 0);
  if (!known || (given !== `${named}:${port}` && !(port === 80 && given === named))) return false;
  return headers.origin === undefined || headers.origin === `http://${given}`;
}
