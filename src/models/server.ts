import { z } from 'zod';
import type { Conversation } from '../conversation.ts';
import { AuditError, throwIfAborted } from '../errors.ts';
import { sha256, sha256Json } from '../hash.ts';
import type { Decoding, GeneratedToken, Generation, LanguageModel, Prompt } from '../model.ts';
import { createRandom } from '../random.ts';

/** A model behind an OpenAI-compatible server. */
export interface ServerSettings {
  /** As far as the version: `http://127.0.0.1:8000/v1`. */
  readonly endpoint: string;
  /** The model's name there. */
  readonly name: string;
  /** The environment variable that holds the key; null: none is sent. */
  readonly apiKeyEnv: string | null;
  /** For one answer. */
  readonly timeoutSeconds: number;
  /** How often one answer is asked for before it is given up. */
  readonly attempts: number;
  /** Requests under way at once. */
  readonly concurrency: number;
  /** Ask for log-probabilities; some servers refuse a request for them. */
  readonly logprobs: boolean;
}

interface Hooks {
  /** The first pause after a failure; it doubles with every further one. */
  readonly backoffMs?: number;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface Connection extends ServerSettings {
  readonly key: string | null;
  readonly backoffMs: number;
}

/** Longest pause between two attempts, whatever a server asks for. */
const longestPauseMs = 60_000;

/**
 * A chat model behind `/chat/completions`. Its weights cannot be seen: the fingerprint covers address and name alone.
 * Token counts of `render` are estimates (a quarter of the characters); a server refuses what is too long itself.
 * What fails for one prompt only (a refused request, no answer in time, errors of the server after every attempt) is an
 * AuditError `model`; `network` when the server cannot be reached, `config` when it refuses the key or knows no such model.
 * Source: OpenAI's API reference, "Create chat completion"; the fields that vLLM and llama.cpp give as well.
 */
export async function openServerModel(
  settings: ServerSettings,
  { backoffMs = 500, environment = process.env }: Hooks = {},
): Promise<LanguageModel> {
  const { endpoint, name, concurrency } = settings;
  const connection = { ...settings, key: readKey(settings, environment), backoffMs };
  await call(connection, 'models', null, undefined, (response) => response.status !== 401);
  return {
    name: `${name} at ${endpoint}`,
    fingerprint: sha256Json({ server: endpoint, name }),
    contextLength: Number.MAX_SAFE_INTEGER,
    device: 'server',
    unprovenBase: null,
    batchSize: concurrency,
    render: async (conversations) => conversations.map(renderPlain),
    generate: (prompts, decoding, signal) => generateAll(connection, prompts, decoding, signal),
    close: async () => {},
  };
}

function readKey({ apiKeyEnv }: ServerSettings, environment: NonNullable<Hooks['environment']>) {
  if (apiKeyEnv === null) return null;
  const key = environment[apiKeyEnv];
  if (key) return key;
  throw new AuditError('config', `the environment variable ${apiKeyEnv} is not set`, {
    hint: 'put the server’s key into it; keys are read from the environment alone',
  });
}

function renderPlain(messages: Conversation) {
  const text = messages.map(({ role, content }) => `${role}:\n${content}`).join('\n\n');
  return { text, sha256: sha256(text), tokenCount: Math.ceil(text.length / 4) };
}

/** All of them are waited for, so that nothing is under way when the first failure is thrown. */
async function generateAll(
  connection: Connection,
  prompts: readonly Prompt[],
  decoding: Decoding,
  signal: AbortSignal | undefined,
): Promise<Generation[]> {
  const generations: Generation[] = [];
  for (let start = 0; start < prompts.length; start += connection.concurrency) {
    throwIfAborted(signal);
    const settled = await Promise.allSettled(
      prompts
        .slice(start, start + connection.concurrency)
        .map((prompt) => complete(connection, prompt, decoding, signal)),
    );
    for (const outcome of settled) {
      if (outcome.status === 'rejected') throw outcome.reason;
      generations.push(outcome.value);
    }
  }
  return generations;
}

const token = z.object({
  token: z.string(),
  logprob: z.number(),
  top_logprobs: z.array(z.object({ logprob: z.number() })).nullish(),
});
const completion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z.object({ content: z.array(token).nullish() }).nullish(),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.int().min(0) }).nullish(),
});

async function complete(
  connection: Connection,
  prompt: Prompt,
  decoding: Decoding,
  signal: AbortSignal | undefined,
): Promise<Generation> {
  if (prompt.prefill !== undefined) {
    throw new AuditError('unsupported', `${connection.endpoint}: an answer's beginning cannot be given here`);
  }
  const body = requestOf(connection, prompt, decoding);
  const text = await call(connection, 'chat/completions', body, signal);
  const parsed = completion.safeParse(parseJson(text));
  if (!parsed.success) throw sampleError(connection, 'the answer is not a chat completion');
  const [choice] = parsed.data.choices;
  const reason = choice!.finish_reason;
  return {
    text: choice!.message.content ?? '',
    tokens: (choice!.logprobs?.content ?? []).map(toToken),
    finishReason: reason === 'length' || reason === 'content_filter' ? reason : 'stop',
    promptTokens: parsed.data.usage?.prompt_tokens ?? renderPlain(prompt.messages).tokenCount,
  };
}

function requestOf({ name, logprobs }: Connection, prompt: Prompt, decoding: Decoding): object {
  const { maxTokens, temperature, topP, topK, minP, stop, topLogProbabilities = 10 } = decoding;
  return {
    model: name,
    messages: prompt.messages,
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    seed: prompt.seed,
    ...(topK !== undefined && { top_k: topK }),
    ...(minP !== undefined && { min_p: minP }),
    ...(stop && { stop }),
    ...(logprobs && { logprobs: true, top_logprobs: Math.min(topLogProbabilities, 20) }),
  };
}

/** A server says no ids. */
function toToken({ token: text, logprob, top_logprobs }: z.output<typeof token>): GeneratedToken {
  const top = (top_logprobs ?? []).map((entry) => entry.logprob).sort((a, b) => b - a);
  return { id: -1, text, logProbability: logprob, topLogProbabilities: top, endOfTurn: false };
}

/** A body that the server accepted, after as many attempts as are allowed; `accepts`: which other answers will do. */
async function call(
  connection: Connection,
  path: string,
  body: object | null,
  signal: AbortSignal | undefined,
  accepts: (response: Response) => boolean = (response) => response.ok,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    const outcome = await tryOnce(connection, path, body, signal, accepts);
    if (typeof outcome === 'string') return outcome;
    if (!outcome.again || attempt >= connection.attempts) throw outcome.error;
    await pause(Math.max(outcome.waitMs, jitter(connection, body, attempt)), signal);
  }
}

interface Failure {
  readonly error: AuditError;
  readonly again: boolean;
  /** What the server asks to wait. */
  readonly waitMs: number;
}

async function tryOnce(
  connection: Connection,
  path: string,
  body: object | null,
  signal: AbortSignal | undefined,
  accepts: (response: Response) => boolean,
): Promise<string | Failure> {
  const { endpoint, key, timeoutSeconds } = connection;
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const response = await fetch(`${endpoint.replace(/\/+$/, '')}/${path}`, {
      method: body === null ? 'GET' : 'POST',
      headers: {
        ...(body !== null && { 'content-type': 'application/json' }),
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
      ...(body !== null && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      // Another host would be one that the config does not name.
      redirect: 'error',
    });
    const text = await response.text();
    return accepts(response) ? text : refusal(connection, response, text);
  } catch (error) {
    throwIfAborted(signal);
    if (timeout.aborted && body !== null) {
      const late = sampleError(connection, `no answer within ${timeoutSeconds} s`);
      return { error: late, again: true, waitMs: 0 };
    }
    return { error: unreachable(connection, error), again: true, waitMs: 0 };
  }
}

function refusal(connection: Connection, response: Response, text: string): Failure {
  const { status, headers } = response;
  const said = `${status} ${conceal(connection, text.replace(/\s+/g, ' ').trim()).slice(0, 200)}`;
  if (status === 401 || status === 403) {
    const hint = 'set apiKeyEnv to the name of the environment variable that holds a valid key';
    const error = new AuditError('config', `${connection.endpoint} refuses the key: ${said}`, { hint });
    return { error, again: false, waitMs: 0 };
  }
  if (status === 404) {
    const what = `${connection.endpoint} has no such address or no model ${connection.name}: ${said}`;
    const hint = 'give endpoint as far as the version, as in http://127.0.0.1:8000/v1, and the served name';
    return { error: new AuditError('config', what, { hint }), again: false, waitMs: 0 };
  }
  const again = status === 408 || status === 409 || status === 429 || status >= 500;
  return { error: sampleError(connection, said), again, waitMs: again ? retryAfterMs(headers) : 0 };
}

/** `Retry-After` in seconds or as a date. */
function retryAfterMs(headers: Headers): number {
  const given = headers.get('retry-after');
  if (given === null) return 0;
  const ms = /^\d+(\.\d+)?$/.test(given.trim()) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** Between half and the whole of a pause that doubles, so that many clients do not come back at once. */
function jitter({ backoffMs }: Connection, body: object | null, attempt: number): number {
  return (
    backoffMs * 2 ** (attempt - 1) * (0.5 + createRandom('back-off', sha256Json(body), attempt).next() / 2)
  );
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, longestPauseMs));
    signal?.addEventListener('abort', done);
  });
}

function sampleError({ name, endpoint }: Connection, why: string): AuditError {
  return new AuditError('model', `${name} at ${endpoint}: ${why}`);
}

function unreachable({ endpoint }: Connection, error: unknown): AuditError {
  const { cause, message } = error as Error & { cause?: { code?: string } };
  return new AuditError('network', `cannot reach ${endpoint}: ${cause?.code ?? message}`, {
    hint: 'start the server or correct endpoint; what was finished is kept, and the same command resumes',
    cause: error,
  });
}

/** A server may repeat the key in what it says. */
function conceal({ key }: Connection, text: string): string {
  return key === null ? text : text.replaceAll(key, '[key]');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
