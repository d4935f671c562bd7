import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { openCatalogue } from '../../src/viewer/catalogue.ts';
import { startViewer } from '../../src/viewer/server.ts';

/** A viewer for tests, and a client that sends any header it likes. */

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Without the cookie. */
  readonly stranger?: boolean;
}

/** The updates of a page that is kept up to date. */
export interface Events {
  next(): Promise<Update>;
  /** The first with this status. */
  until(status: string): Promise<Update>;
}
interface Update {
  readonly status: string;
  readonly html: string;
}

export interface TestViewer {
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  ask(path: string, options?: Ask): Promise<Reply>;
  /** Spends the token; what it answered. */
  enter(): Promise<Reply>;
  post(path: string, value: unknown): Promise<Reply>;
  events(path: string): Events;
  stop(): Promise<void>;
}

export async function testViewer(places: readonly string[], labeller = 'tester'): Promise<TestViewer> {
  const stop = new AbortController();
  const { url, ended } = await startViewer(openCatalogue(places), {
    ...{ host: '127.0.0.1', port: 0, labeller },
    signal: stop.signal,
  });
  const { origin, port, search } = new URL(url);
  let cookie = '';
  const ask: TestViewer['ask'] = (path, { method = 'GET', headers = {}, body, stranger = false } = {}) =>
    new Promise((resolve, reject) => {
      const own = stranger || cookie === '' ? {} : { Cookie: cookie };
      const sent = request(
        { host: '127.0.0.1', port, path, method, headers: { ...own, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    url,
    origin,
    port: Number(port),
    ask,
    enter: async () => {
      const reply = await ask(`/${search}`);
      cookie = reply.headers['set-cookie']?.[0]?.split(';')[0] ?? cookie;
      return reply;
    },
    post: (path, value) =>
      ask(path, {
        method: 'POST',
        headers: { Origin: origin, 'Content-Type': 'application/json' },
        body: JSON.stringify(value),
      }),
    events: (path) => {
      const next = updatesOf(() => request({ host: '127.0.0.1', port, path, headers: { Cookie: cookie } }));
      const until = async (status: string): Promise<Update> => {
        const update = await next();
        return update.status === status ? update : until(status);
      };
      return { next, until };
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

function updatesOf(ask: () => ClientRequest): () => Promise<Update> {
  const stream = new PassThrough();
  ask()
    .on('response', (response) => response.pipe(stream))
    .on('error', () => {})
    .end();
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]();
  return async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error('no more updates come');
      if (value.startsWith('data: ')) return JSON.parse(value.slice(6)) as Update;
    }
  };
}

/** SHA-256 of every file in a folder, by its path there. */
export function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [
        path.slice(folder.length + 1),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );
}
