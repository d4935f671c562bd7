import { AuditError, throwIfAborted } from '../../errors.ts';
import { causeOf, isProxied } from '../../proxy.ts';
import { TimedOut } from '../../time-limit.ts';
import { type Exchange, exchange } from './exchange.ts';
import { retryAfterMs } from './pause.ts';

/** How one server is reached. */
export interface ConnectionSettings {
  /** As far as the version: `http://127.0.0.1:8000/v1`. */
  readonly endpoint: string;
  /** The environment variable that holds the key; null: none is sent. */
  readonly apiKeyEnv: string | null;
  /** For one answer. */
  readonly timeoutSeconds: number;
}

export interface Connection {
  readonly endpoint: string;
  readonly timeoutSeconds: number;
  /** Sent with every request, and kept out of every message. */
  readonly key: string | null;
  /** By the environment, which names a proxy for it. */
  readonly proxied: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A request that came to nothing: why, and whether another attempt may do better. */
export interface Failure {
  readonly error: AuditError;
  readonly again: boolean;
  /** What the server asks to wait. */
  readonly waitMs: number;
  /** The server has too much to do. */
  readonly busy: boolean;
  /** Nothing came back, or not to its end. */
  readonly silent?: boolean;
  /** Nobody took the connection: it may be starting, or the network away. */
  readonly away?: boolean;
}

/** What a server said, without the key. */
export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** No answer of a language model is so long; a hostile server's may be. */
const longestReply = 16 * 1024 * 1024;

/** @throws AuditError `config` where the variable that is to hold the key holds none, or a proxy’s is no address. */
export function connect(settings: ConnectionSettings, environment: Environment): Connection {
  const { endpoint, apiKeyEnv, timeoutSeconds } = settings;
  const address = endpoint.replace(/\/+$/, '');
  const known = { endpoint: address, timeoutSeconds, proxied: isProxied(address) };
  if (apiKeyEnv === null) return { ...known, key: null };
  // A secret that was read from a file ends in a line break.
  const key = environment[apiKeyEnv]?.trim();
  if (key && /^[\x21-\x7e]+$/.test(key)) return { ...known, key };
  const what = key ? 'holds what no header may' : 'is not set';
  throw new AuditError('config', `the environment variable ${apiKeyEnv} ${what}`, {
    hint: 'put the server’s key into it, and nothing else; keys are read from the environment alone',
  });
}

/** Longest wait for a word on how a server is, or for what it need not do, in seconds. */
const patience = 10;

/** The same server, not waited for as long as for an answer. */
export const hurried = (connection: Connection): Connection => ({
  ...connection,
  timeoutSeconds: Math.min(patience, connection.timeoutSeconds),
});

/**
 * One attempt at one request; `path` is relative to the endpoint, or from the server's root where it begins with a
 * slash. GET without a body. Whatever the status, a reply is a reply.
 */
export async function send(
  connection: Connection,
  path: string,
  body: object | null,
  signal: AbortSignal | undefined,
): Promise<(Reply & { readonly headers: Headers }) | Failure> {
  const { endpoint, key, timeoutSeconds, proxied } = connection;
  const address = path.startsWith('/') ? new URL(path, endpoint).href : `${endpoint}/${path}`;
  const ask = proxied ? (await import('./proxied-exchange.ts')).proxiedExchange : exchange;
  try {
    // Another host would be one that the config does not name: an answer that leads there is a refusal.
    const reply = await ask(address, {
      headers: {
        ...(body !== null && { 'content-type': 'application/json' }),
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
      body: body === null ? null : JSON.stringify(body),
      ...{ longest: longestReply, timeoutMs: timeoutSeconds * 1000, signal },
    });
    // Not taken apart: its headers are made when they are looked at.
    if (!isWhole(reply)) return failure(`its answer is longer than ${longestReply / 1024 ** 2} MiB`);
    const { status, text } = reply;
    return {
      ...{ status, text: conceal(key, text, status >= 200 && status < 300) },
      get headers() {
        return reply.headers;
      },
    };
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TimedOut && body !== null)
      return { ...failure(`no answer within ${timeoutSeconds} s`, true), busy: true, silent: true };
    const known = { error: unreachable(connection, error), again: true, waitMs: 0, busy: false };
    return { ...known, silent: true, away: isAway(error) };
  }
}

const isWhole = (reply: Exchange): reply is Exchange & Reply => reply.text !== null;

/** A failure of one request alone; the caller says who it was. */
export function failure(why: string, again = false, code: 'model' | 'data' = 'model'): Failure {
  return { error: new AuditError(code, why), again, waitMs: 0, busy: false };
}

/** What a status that is no success means. `name`: the model that was asked for. */
export function refusal(connection: Connection, name: string, reply: Reply, headers: Headers): Failure {
  const { status } = reply;
  const said = `${status} ${reply.text.replace(/\s+/g, ' ').trim().slice(0, 200)}`;
  const final = (what: string, hint: string): Failure => ({
    error: new AuditError('config', what, { hint }),
    ...{ again: false, waitMs: 0, busy: false },
  });
  if (status === 401 || status === 403)
    return final(
      `${connection.endpoint} refuses the key: ${said}`,
      'set apiKeyEnv to the name of the environment variable that holds a valid key',
    );
  if (status === 404)
    return final(
      `${connection.endpoint} has no such address or no model ${name}: ${said}`,
      'give endpoint as far as the version, as in http://127.0.0.1:8000/v1, and the served name',
    );
  if ((status === 405 || status === 501) && /^\s*<(!doctype|html)/i.test(reply.text))
    return final(
      `${connection.endpoint} is a web site, not a server of models: ${status}`,
      'give endpoint as far as the version, as in http://127.0.0.1:8000/v1',
    );
  const again = status === 408 || status === 409 || status === 429 || status >= 500;
  const waitMs = again ? retryAfterMs(headers) : 0;
  // Refused for what it holds, such as a prompt beyond the context; 402 and others concern whoever asks.
  const code = [400, 413, 422].includes(status) ? 'data' : 'model';
  return { ...failure(said, again, code), waitMs, busy: status === 429 || status === 503 };
}

function unreachable({ endpoint }: Connection, error: unknown): AuditError {
  const why = error instanceof TimedOut ? 'no answer in time' : causeOf(error as Error);
  const advice =
    why === 'EPROTO'
      ? 'give endpoint as http://: it does not seem to speak TLS'
      : 'start the server or correct endpoint';
  return new AuditError('network', `cannot reach ${endpoint}: ${why}`, {
    hint: `${advice}; what was finished is kept, and the same command resumes`,
    cause: error,
  });
}

const connecting = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)$/;

function isAway(error: unknown): boolean {
  return connecting.test((error as NodeJS.ErrnoException).code ?? '');
}

/** A server may repeat the key in what it says. In an answer a short one, such as `EMPTY`, may be a word like any other. */
function conceal(key: string | null, text: string, isAnswer: boolean): string {
  return key === null || (isAnswer && key.length < 16) ? text : text.replaceAll(key, '[key]');
}
