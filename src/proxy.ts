import type { Dispatcher } from 'undici';
import { AuditError } from './errors.ts';
import { isLoopback } from './loopback.ts';

/**
 * Proxies as the environment names them, which Node's own `fetch` and `http` pass over: HTTPS_PROXY, HTTP_PROXY (for
 * https too where it stands alone) and NO_PROXY, in either case of letters. This machine is never asked through one.
 */

const loopback = ['localhost', '127.0.0.1', '[::1]'];
/** What a server prints that listens on all addresses: as a place to go to, this machine. */
const unspecified = ['0.0.0.0', '[::]'];
const isHere = (host: string) => isLoopback(host) || unspecified.includes(host);
/** Lower case goes before, as with curl. */
const setting = (name: string) => process.env[name.toLowerCase()] ?? process.env[name] ?? '';

/**
 * Whether the environment has a proxy for such an address; of the hosts that NO_PROXY spares the agent knows.
 * @throws AuditError `config` where that is no address; it is not shown, since it may hold a password.
 */
export function isProxied(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const name = protocol === 'https:' && setting('HTTPS_PROXY') ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  if (!setting(name) || isHere(hostname) || setting('NO_PROXY').trim() === '*') return false;
  const wrong = ['HTTPS_PROXY', 'HTTP_PROXY'].find((one) => setting(one) && !isAddress(setting(one)));
  if (wrong === undefined) return true;
  throw new AuditError('config', `${wrong} is not an address`, { hint: 'expected http://HOST:PORT' });
}

const withScheme = (proxy: string) => (proxy === '' || proxy.includes('://') ? proxy : `http://${proxy}`);
const isAddress = (proxy: string) =>
  /^(https?|socks5?):\/\/./.test(withScheme(proxy)) && URL.canParse(withScheme(proxy));

/** One for each setting, since it keeps its connections. */
const agents = new Map<string, Dispatcher>();

export async function proxyAgent(): Promise<Dispatcher> {
  const settings = {
    httpProxy: withScheme(setting('HTTP_PROXY')),
    httpsProxy: withScheme(setting('HTTPS_PROXY')),
    noProxy: [setting('NO_PROXY'), ...loopback, ...unspecified].join(','),
  };
  const key = JSON.stringify(settings);
  const known = agents.get(key);
  if (known) return known;
  const { EnvHttpProxyAgent } = await import('undici');
  // Proxies tunnel to port 443 alone as a rule: plain requests are handed to them whole.
  const agent = new EnvHttpProxyAgent({ ...settings, proxyTunnel: false });
  agents.set(key, agent);
  return agent;
}

/** `fetch`, through the proxy where the environment has one for the address. */
export async function fetchFrom(url: string, init: RequestInit): Promise<Response> {
  if (!isProxied(url)) return fetch(url, init);
  const { fetch: send } = await import('undici');
  const options = { ...init, dispatcher: await proxyAgent() };
  try {
    return (await send(url, options as Parameters<typeof send>[1])) as unknown as Response;
  } catch (error) {
    throw byProxy(error);
  }
}

/** Why a request came to nothing, in a word where there is one. */
export function causeOf(error: Error): string {
  if (error instanceof ProxyError) return error.message;
  const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : message || error.message;
}

class ProxyError extends Error {}

/** What went wrong on the way, told as such: the library's own codes say nothing of it. */
export function byProxy(error: unknown): Error {
  let first = error as Error;
  while (first.cause instanceof Error) first = first.cause;
  const { code, message } = first as NodeJS.ErrnoException;
  const told = new ProxyError(`by the environment’s proxy: ${message || code}`, { cause: error });
  return code && !code.startsWith('UND_') ? Object.assign(told, { code }) : told;
}
