import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AuditError, throwIfAborted } from '../errors.ts';
import { causeOf, fetchFrom } from '../proxy.ts';
import { type HubName, isCommit, leavesFolder } from './name.ts';

/** One file of a repository at one commit, as the Hub lists it. */
export interface RepositoryFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-1 that git gives the file, or its pointer where the content is stored apart. */
  readonly gitSha1: string;
  /** SHA-256 of content that is stored apart (Git LFS); null for a file in git itself. */
  readonly sha256: string | null;
  readonly xetHash: string | null;
}

/** What we ask of the Hub. Every method throws an AuditError with the way out. */
export interface HubClient {
  /** The commit that a revision stands for now. */
  commitOf(name: HubName): Promise<string>;
  /** Every file of a commit, all paths plain relative ones. */
  list(name: HubName, commit: string): Promise<RepositoryFile[]>;
  /** The body of a file from a byte on. The Hub may ignore `from` (status 200) or refuse it (416). */
  open(name: HubName, commit: string, path: string, from: number): Promise<Response>;
}

const attempts = 3;
const firstDelayMs = 250;

/** Whether the network is not to be used: HF_HUB_OFFLINE, or TRANSFORMERS_OFFLINE as in Python. */
export function isOffline(): boolean {
  const set = process.env.HF_HUB_OFFLINE || process.env.TRANSFORMERS_OFFLINE || '';
  return ['1', 'ON', 'YES', 'TRUE'].includes(set.toUpperCase());
}

/** Talks to HF_ENDPOINT with HF_TOKEN, or the token that `hf auth login` left. */
export async function createHubClient(signal?: AbortSignal): Promise<HubClient> {
  const { HUB_URL, listFiles, modelInfo } = await import('@huggingface/hub');
  const hubUrl = endpointOf(HUB_URL);
  const token = findToken(hubUrl === HUB_URL);
  const ask = (name: HubName, url: string, given: RequestInit['headers'], whole: boolean) => {
    const headers = new Headers(given);
    // A page of a listing may lie elsewhere; redirects to other hosts lose the header by themselves.
    if (token && new URL(url).origin === new URL(hubUrl).origin)
      headers.set('authorization', `Bearer ${token}`);
    return askHub({ name, url, headers, whole, hubUrl, token, signal });
  };
  /** For the library, which adds no token of its own then. */
  const asFetch =
    (name: HubName): typeof fetch =>
    (url, init) =>
      ask(name, url instanceof Request ? url.url : String(url), init?.headers, true);
  return {
    commitOf: async (name) => {
      const { repository, revision } = name;
      const about = { name: repository, revision, hubUrl, fetch: asFetch(name) };
      const { sha } = await readAnswer(name, modelInfo({ ...about, additionalFields: ['sha'] }));
      if (isCommit(sha)) return sha;
      throw malformed(name, `its commit is ${JSON.stringify(sha)}`);
    },
    list: async (name, commit) => {
      const files: RepositoryFile[] = [];
      const about = {
        repo: name.repository,
        revision: commit,
        recursive: true,
        hubUrl,
        fetch: asFetch(name),
      };
      await readAnswer(
        name,
        (async () => {
          for await (const entry of listFiles(about)) {
            if (leavesFolder(String(entry.path)))
              throw malformed(name, `it lists a file outside its folder, ${JSON.stringify(entry.path)}`);
            if (entry.type === 'file') files.push(readEntry(name, entry));
          }
        })(),
      );
      return files;
    },
    open: (name, commit, path, from) =>
      ask(
        name,
        `${hubUrl}/${name.repository}/resolve/${commit}/${encodePath(path)}`,
        // Compressed, neither a range nor a length would mean the file's own bytes.
        { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) },
        false,
      ),
  };
}

const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/');

/** @throws AuditError `config` when HF_ENDPOINT is no address. */
function endpointOf(standard: string): string {
  const endpoint = (process.env.HF_ENDPOINT || standard).replace(/\/+$/, '');
  if (/^https?:\/\/[^/]/.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  throw new AuditError('config', `HF_ENDPOINT: ${endpoint} is not an address`, {
    hint: 'expected https://HOST, or unset it to use huggingface.co',
  });
}

/** A token that is only lying in a file goes to the Hub itself, not to another endpoint. */
function findToken(isStandard: boolean): string | null {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_HOME, HF_TOKEN_PATH, XDG_CACHE_HOME } = process.env;
  const given = (HF_TOKEN || HUGGING_FACE_HUB_TOKEN || '').trim();
  if (given || !isStandard) return given || null;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  const path = HF_TOKEN_PATH || join(home, 'token');
  return existsSync(path) ? readFileSync(path, 'utf8').trim() || null : null;
}

interface Question {
  readonly name: HubName;
  readonly url: string;
  readonly headers: Headers;
  /** Read the body before the answer counts: it is short, and may break off. */
  readonly whole: boolean;
  readonly hubUrl: string;
  readonly token: string | null;
  readonly signal: AbortSignal | undefined;
}

/** A response that is no error, after some patience with a Hub that is busy or cannot be reached. */
async function askHub(question: Question): Promise<Response> {
  const { signal } = question;
  for (let attempt = 1; ; attempt++) {
    const answer = await send(question).catch((error: unknown) => error as Error);
    throwIfAborted(signal);
    const failed = answer instanceof Error;
    if (!failed && (answer.ok || answer.status === 416)) return answer;
    const passing = failed || answer.status >= 500;
    if (!passing || attempt === attempts)
      throw failed ? unreachable(question.hubUrl, answer) : refusal(question, answer);
    if (!failed) await answer.body?.cancel();
    await wait(firstDelayMs * 2 ** attempt, undefined, signal && { signal }).catch(() => {});
    throwIfAborted(signal);
  }
}

async function send({ url, headers, whole, signal }: Question): Promise<Response> {
  const response = await fetchFrom(url, { headers, ...(signal && { signal }) });
  if (!whole) return response;
  return new Response(await response.text(), { status: response.status, headers: response.headers });
}

/** That the Hub cannot be reached or breaks off. */
export function unreachable(place: string, error: Error): AuditError {
  return new AuditError('network', `${place}: ${causeOf(error)}`, {
    hint: 'check the network and HF_ENDPOINT, then run the same command again: what was fetched is kept. HF_HUB_OFFLINE=1 uses what the cache holds; HTTPS_PROXY and NO_PROXY are followed',
    cause: error,
  });
}

function refusal({ name, url, hubUrl, token }: Question, { status, headers }: Response): AuditError {
  const what = headers.get('x-error-code');
  const page = `${hubUrl}/${name.repository}`;
  const error = (message: string, hint: string) =>
    new AuditError(
      status >= 500 || status === 429 ? 'network' : 'model',
      `hf:${name.repository}: ${message}`,
      {
        hint,
      },
    );
  if (status === 403 || what === 'GatedRepo')
    return error(
      `access is refused (${status})`,
      `ask for access on ${page}, then set HF_TOKEN to a token of that account (${token ? 'the one in use does not have it' : 'none is set'})`,
    );
  if (status === 401)
    return error(
      `there is no such repository, or it is private or gated (${status})`,
      token
        ? `check the name, and that HF_TOKEN is valid and may read ${page}`
        : `check the name; for a private or gated one accept its terms on ${page} and set HF_TOKEN`,
    );
  if (status === 404 && what === 'RevisionNotFound')
    return error(
      `there is no revision ${name.revision}`,
      `branches and tags are listed on ${page}/tree/main`,
    );
  if (status === 404)
    return error(`not found (${status})`, `check the name: nothing lies at ${new URL(url).pathname}`);
  if (status === 429)
    return error(`too many requests (${status})`, 'wait some minutes; with HF_TOKEN set the limit is higher');
  return error(
    `the Hub answers with an error (${status})`,
    'try again later; HF_HUB_OFFLINE=1 uses what the cache holds',
  );
}

function malformed(name: HubName, why: string): AuditError {
  return new AuditError('model', `hf:${name.repository}: the Hub’s answer cannot be trusted: ${why}`, {
    hint: 'nothing was written; check HF_ENDPOINT, or tell the repository’s owner',
  });
}

/** The library reads the answers; what it stumbles over is the answer's fault. */
async function readAnswer<T>(name: HubName, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof AuditError ? error : malformed(name, (error as Error).message);
  }
}

function readEntry(
  name: HubName,
  {
    path,
    size,
    oid,
    lfs,
    xetHash,
  }: { path: string; size: number; oid?: string; lfs?: { oid: string }; xetHash?: string },
): RepositoryFile {
  const isHash = (text: unknown, digits: number) =>
    typeof text === 'string' && text.length === digits && /^[0-9a-f]+$/.test(text);
  if (!Number.isSafeInteger(size) || size < 0) throw malformed(name, `${path} has ${size} bytes`);
  // Both become the names of files.
  if (!isHash(oid, 40) || (lfs && !isHash(lfs.oid, 64)))
    throw malformed(name, `the hash of ${path} is ${JSON.stringify(lfs?.oid ?? oid)}`);
  const xet = isHash(xetHash, 64) ? xetHash! : null;
  return { path, size, gitSha1: oid!, sha256: lfs?.oid ?? null, xetHash: xet };
}
