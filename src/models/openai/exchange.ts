import {
  type ClientRequest,
  type IncomingMessage,
  Agent as PlainAgent,
  request as sendPlain,
} from 'node:http';
import { Agent as SecureAgent, request as sendSecure } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { TimedOut } from '../../time-limit.ts';

/** One HTTP exchange over connections that are kept. `fetch` takes three times the processor's time for it. */

export interface Exchange {
  readonly status: number;
  /** UTF-8; null where it is longer than `longest`. */
  readonly text: string | null;
  readonly headers: Headers;
}

export interface ExchangeRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** GET where it is null, else POST. */
  readonly body: string | null;
  /** Most bytes that are read of an answer. */
  readonly longest: number;
  /** For the whole answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const plain = { send: sendPlain, agent: new PlainAgent({ keepAlive: true }) };
const secure = { send: sendSecure, agent: new SecureAgent({ keepAlive: true }) };
const decoder = new TextDecoder();

/** Redirects are not followed. @throws TimedOut, and whatever broke the connection; also once the signal fires. */
export function exchange(
  address: string,
  { headers, body, longest, timeoutMs, signal }: ExchangeRequest,
): Promise<Exchange> {
  const { send, host, hostname, port, path, agent } = targetOf(address);
  // Node writes a flat list out as it stands, where it first files each header of an object.
  const list = ['host', host, ...Object.entries(headers).flat()];
  if (body !== null) list.push('content-length', String(Buffer.byteLength(body)));
  const method = body === null ? 'GET' : 'POST';
  const options = { hostname, port, path, agent, method, headers: list };
  return new Promise<Exchange>((resolve, reject) => {
    let answers = false;
    const answered = (response: IncomingMessage) => {
      answers = true;
      const parts: Buffer[] = [];
      let bytes = 0;
      const end = (text: string | null) =>
        resolve({
          ...{ status: response.statusCode!, text },
          get headers() {
            return new Headers(response.headersDistinct as Record<string, string[]>);
          },
        });
      response.on('error', reject);
      response.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes <= longest) return;
        end(null);
        response.destroy();
      });
      response.on('end', () => end(decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts))));
    };
    const request = send(options, answered);
    const timer = setTimeout(() => request.destroy(new TimedOut()), timeoutMs);
    const forget = signal ? endWith(signal, request) : () => {};
    request.on('error', reject).on('close', () => {
      clearTimeout(timer);
      forget();
      // An upgrade that nobody asked for ends a request without an error.
      if (!answers) reject(new Error('closed without an answer'));
    });
    request.end(body);
  });
}

/** The few addresses that are asked again and again. */
const targets = new Map<string, ReturnType<typeof readTarget>>();

function targetOf(address: string) {
  let target = targets.get(address);
  if (!target) targets.set(address, (target = readTarget(new URL(address))));
  return target;
}

function readTarget(url: URL) {
  const { hostname, port, path } = urlToHttpOptions(url);
  return { host: url.host, hostname, port, path, ...(url.protocol === 'https:' ? secure : plain) };
}

/** Requests that end when a signal fires, which many share: one listener a signal. */
const underWay = new WeakMap<AbortSignal, Set<ClientRequest>>();

function endWith(signal: AbortSignal, request: ClientRequest): () => void {
  let requests = underWay.get(signal);
  if (!requests) {
    const own = new Set<ClientRequest>();
    underWay.set(signal, (requests = own));
    const end = () => {
      for (const one of own) one.destroy(new Error('stopped'));
    };
    signal.addEventListener('abort', end, { once: true });
  }
  requests.add(request);
  if (signal.aborted) request.destroy(new Error('stopped'));
  return () => requests.delete(request);
}
