import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { sha256 } from '../../src/hash.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** An imitation of the Hub's endpoints that a download uses, on loopback, with a second host in the place of its CDN. */

export const commit = 'c0ffee'.padEnd(40, '0');
export const repository = 'isle/lantern-1b';

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface HubServer {
  readonly endpoint: string;
  /** The Hub's cache of this test. */
  readonly cache: string;
  /** `METHOD host path [range]` of every request, the query left out. */
  readonly requests: string[];
  /** What the CDN was sent as authorization. */
  readonly leaked: string[];
  /** Answers in the server's place where it says true. */
  answer: Answer;
  /** Changes what the tree lists. */
  listed: (entries: TreeEntry[]) => unknown[];
  commit: string;
}

interface TreeEntry {
  type: string;
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number; pointerSize: number };
}

export const gitSha1 = (content: Uint8Array) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** Starts a Hub with one repository; `.safetensors` and `.gguf` files are stored apart, as LFS does it. */
export async function startHub(files: Record<string, string | Uint8Array>): Promise<HubServer> {
  const contents = new Map(Object.entries(files).map(([path, data]) => [path, Buffer.from(data)]));
  const isApart = (path: string) => /\.(safetensors|gguf)$/.test(path);
  const hub: { -readonly [K in keyof HubServer]: HubServer[K] } = {
    endpoint: '',
    cache: `${temporaryFolder()}/hub`,
    requests: [],
    leaked: [],
    answer: () => false,
    listed: (entries) => entries,
    commit,
  };
  const note = (host: string, { method, url, headers }: IncomingMessage) =>
    hub.requests.push([method, host, url?.split('?')[0], headers.range].filter(Boolean).join(' '));
  const cdn = await listen((request, response) => {
    note('cdn', request);
    if (request.headers.authorization) hub.leaked.push(request.headers.authorization);
    if (hub.answer(request, response)) return;
    const data = [...contents.values()].find((content) => request.url === `/${sha256(content)}`);
    send(request, response, data);
  });
  const server = await listen((request, response) => {
    note('hub', request);
    if (hub.answer(request, response)) return;
    const path = decodeURIComponent(request.url!.split('?')[0]!);
    const api = `/api/models/${repository}`;
    const [, file] = new RegExp(`^/${repository}/resolve/${hub.commit}/(.+)$`).exec(path) ?? [];
    const [, small] = /^\/api\/resolve-cache\/(.+)$/.exec(path) ?? [];
    if (path === `${api}/revision/main` || path === `${api}/revision/refs/pr/1`)
      json(response, { _id: '1', id: repository, sha: hub.commit, lastModified: '2026-01-01T00:00:00.000Z' });
    else if (path === `${api}/tree/${hub.commit}`) sendTree(request, response);
    else if (small !== undefined) {
      const content = contents.get(small);
      response.setHeader('x-repo-commit', hub.commit);
      if (content) response.setHeader('etag', `"${gitSha1(content)}"`);
      send(request, response, content);
    } else if (file !== undefined && contents.has(file)) redirect(response, file);
    else if (path.startsWith(`${api}/`)) fail(response, 404, 'RevisionNotFound');
    else
      fail(response, file === undefined ? 401 : 404, file === undefined ? 'RepoNotFound' : 'EntryNotFound');
  });
  const redirect = (response: ServerResponse, path: string) => {
    const content = contents.get(path)!;
    const about = { 'x-repo-commit': hub.commit, 'x-linked-size': String(content.length) };
    if (!isApart(path)) {
      response.writeHead(307, {
        ...about,
        location: `/api/resolve-cache/${path}`,
        etag: `"${gitSha1(content)}"`,
      });
    } else {
      const etag = `"${sha256(content)}"`;
      response.writeHead(302, { ...about, location: `${cdn}/${sha256(content)}`, 'x-linked-etag': etag });
    }
    response.end();
  };
  /** Three entries a page, the next one behind a Link header. */
  const sendTree = (request: IncomingMessage, response: ServerResponse) => {
    const entries = [...contents].map(([path, data]): TreeEntry => {
      const entry = { type: 'file', path, size: data.length, oid: gitSha1(data) };
      return isApart(path)
        ? { ...entry, lfs: { oid: sha256(data), size: data.length, pointerSize: 130 } }
        : entry;
    });
    const [url, all] = [new URL(request.url!, hub.endpoint), hub.listed(entries)];
    const at = Number(url.searchParams.get('cursor') ?? 0);
    url.searchParams.set('cursor', String(at + 3));
    if (at + 3 < all.length) response.setHeader('link', `<${url.href}>; rel="next"`);
    json(response, all.slice(at, at + 3));
  };
  hub.endpoint = server;
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_CACHE', hub.cache);
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'])
    vi.stubEnv(name, '');
  onTestFinished(() => void vi.unstubAllEnvs());
  return hub;
}

/** @returns the server's address. */
async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
}

export function fail(response: ServerResponse, status: number, code = ''): void {
  response.writeHead(status, code ? { 'x-error-code': code } : {}).end('{}');
}

function send({ headers }: IncomingMessage, response: ServerResponse, data: Buffer | undefined): void {
  if (!data) {
    fail(response, 404);
    return;
  }
  const [, start] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
  const from = Number(start ?? 0);
  if (from >= data.length && from > 0) {
    fail(response, 416);
    return;
  }
  const body = data.subarray(from);
  const range = { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` };
  response.writeHead(start ? 206 : 200, { 'content-length': String(body.length), ...(start && range) });
  response.end(body);
}
