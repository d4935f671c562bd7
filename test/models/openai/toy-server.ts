import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Conversation } from '../../../src/conversation.ts';
import { createRandom } from '../../../src/random.ts';

/** A server of toy models, whose tokens are words, that speaks as one make or another does. */

export type Make = 'vllm' | 'llama-server' | 'ollama' | 'tgi';

export interface ToyOptions {
  readonly make: Make;
  /** What a model answers. */
  readonly answer: (model: string, messages: Conversation, seed: number) => string;
  /** Names of adapters that it serves from the start. */
  readonly adapters?: readonly string[];
  /** Says that it loads an adapter and serves the base instead. */
  readonly ignoresAdapters?: boolean;
  /** Which model it runs under a name; the one of that name unless given. */
  readonly alias?: (model: string) => string;
  /** Every key but this one is refused. */
  readonly key?: string;
  /** Takes the place of an answer: a status with a body, a closed connection, or null for none. */
  readonly fault?: (asked: Asked, count: number) => Fault | null;
  readonly latencyMs?: number;
  /** Any free one unless given. */
  readonly port?: number;
  /** Shows what it drew and nothing beside it. */
  readonly showsNoOthers?: boolean;
  /** vLLM's --max-logprobs. */
  readonly maxLogprobs?: number;
  /** An older vLLM, whose completions echo and whose chats know no prompt_logprobs. `shifted`: by a token too far. */
  readonly echoes?: true | 'shifted';
  /** GET /health says it is not well; a list of models is not given either. */
  readonly ill?: () => boolean;
  /** Where vLLM says the base's weights lie. */
  readonly root?: string;
}

export interface Asked {
  readonly path: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
  readonly body: any;
}
export type Fault =
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  | 'reset'
  /** Breaks off within the body. */
  | 'midway'
  | 'truncated'
  /** A whole reply, changed. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever would be sent
  | { readonly change: (body: any) => string; readonly type?: string; readonly afterMs?: number };

export interface ToyServer {
  readonly endpoint: string;
  /** Every request in the order it came, without the list of models. */
  readonly asked: Asked[];
  /** Paths that were looked at. */
  readonly checks: string[];
  /** Adapters that it was made to load, by name. */
  readonly loaded: Map<string, string>;
  /** Most requests that were under way at once. */
  readonly most: () => number;
  close(): void;
}

export async function toyServer(options: ToyOptions): Promise<ToyServer> {
  const asked: Asked[] = [];
  const checks: string[] = [];
  const loaded = new Map<string, string>();
  let [under, most] = [0, 0];
  const server = createServer(async (request, response) => {
    const send = (status: number, body: unknown, headers = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(typeof body === 'string' ? body : JSON.stringify(body));
    if (options.key && request.headers.authorization !== `Bearer ${options.key}`)
      return send(401, { error: `wrong key ${request.headers.authorization}` });
    if (request.method === 'GET') {
      checks.push(request.url!);
      if (options.ill?.()) return request.socket.destroy();
      if (request.url === '/health') return send(options.make === 'tgi' ? 404 : 200, '');
      return send(200, { object: 'list', data: cards(options, loaded) });
    }
    const one = { path: request.url!, body: JSON.parse(await textOf(request)) };
    asked.push(one);
    most = Math.max(most, ++under);
    if (options.latencyMs) await new Promise((resolve) => setTimeout(resolve, options.latencyMs));
    under--;
    const fault = options.fault?.(one, asked.length) ?? null;
    if (fault === 'reset') return request.socket.destroy();
    if (fault === 'truncated') return send(200, '{"choices":[{"message":{"content":"half of');
    if (fault && typeof fault !== 'string' && 'status' in fault)
      return send(fault.status, fault.body ?? '{}', fault.headers);
    const reply = replyTo(options, loaded, one);
    if (fault === 'midway') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 9999 });
      return response.write('{"choices":', () => request.socket.destroy());
    }
    if (fault) {
      await new Promise((resolve) => setTimeout(resolve, fault.afterMs ?? 0));
      return send(200, fault.change(reply.body), { 'content-type': fault.type ?? 'application/json' });
    }
    return send(reply.status ?? 200, reply.body);
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { endpoint, asked, checks, loaded, most: () => most, close };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

const deafToEcho = {
  choices: [{ text: '\n', logprobs: { content: [{ id: 198, token: '\n', bytes: [10], logprob: -3.31 }] } }],
  usage: { completion_tokens: 1, prompt_tokens: 1, total_tokens: 2 },
};

type Reply = { readonly status?: number; readonly body: unknown };
const refuse = (status: number, message: string): Reply => ({ status, body: { error: { message } } });

function cards(
  { make, adapters = [], root = '/models/toy' }: ToyOptions,
  loaded: ReadonlyMap<string, string>,
): object[] {
  if (make === 'vllm') {
    const lora = [...adapters.map((id) => [id, `/loras/${id}`]), ...loaded];
    return [
      { id: 'toy', owned_by: 'vllm', root, parent: null, max_model_len: 4096 },
      ...lora.map(([id, root]) => ({ id, owned_by: 'vllm', root, parent: 'toy' })),
    ];
  }
  const owner = { 'llama-server': 'llamacpp', ollama: 'library', tgi: 'toy' }[make];
  const meta = make === 'llama-server' ? { meta: { n_ctx: 2048, n_ctx_train: 8192 } } : {};
  return ['toy', ...adapters].map((id) => ({ id, object: 'model', owned_by: owner, ...meta }));
}

function replyTo(options: ToyOptions, loaded: Map<string, string>, { path, body }: Asked): Reply {
  const vllm = options.make === 'vllm';
  if (path === '/v1/load_lora_adapter' && vllm) {
    if (body.lora_path.includes('missing')) return refuse(404, 'No adapter found');
    loaded.set(body.lora_name, body.lora_path);
    return { body: '"Success: LoRA adapter added successfully."' };
  }
  if (path === '/v1/unload_lora_adapter' && vllm) {
    loaded.delete(body.lora_name);
    return { body: '"Success"' };
  }
  if (path === '/tokenize' && vllm && 'prompt' in body)
    return { body: { tokens: wordsOf(body.prompt).map(idOf), count: 0, max_model_len: 4096 } };
  if (path === '/detokenize' && vllm) return { body: { prompt: body.tokens.map(wordOf).join('') } };
  // It reads `content` alone: of messages it finds no tokens.
  if (path === '/tokenize' && options.make === 'llama-server')
    return { body: { tokens: wordsOf(body.content ?? '').map((piece) => ({ id: idOf(piece), piece })) } };
  if (path === '/tokenize' && vllm)
    return { body: { tokens: promptWords(body.messages, body.continue_final_message ?? false).map(idOf) } };
  if (path === '/v1/completions' && options.echoes) return echo(options, body);
  // As llama-server b1-0c1e570 answers: `echo` is passed over, and the numbers have the chat's shape.
  if (path === '/v1/completions' && options.make === 'llama-server') return { body: deafToEcho };
  if (path !== '/v1/chat/completions') return refuse(404, 'Not Found');
  const names = cards(options, loaded).map((card) => (card as { id: string }).id);
  if (!names.includes(body.model)) return refuse(404, `The model ${body.model} does not exist.`);
  return chat(options, loaded, body);
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
function chat(options: ToyOptions, loaded: ReadonlyMap<string, string>, body: any): Reply {
  const { make, maxLogprobs = 20 } = options;
  const top = body.logprobs ? (body.top_logprobs ?? 0) : null;
  if (options.showsNoOthers && top > 0) return refuse(400, 'top_logprobs is not supported');
  if (make === 'vllm' && top > maxLogprobs)
    return refuse(
      400,
      `Requested sample logprobs of ${top}, which is greater than max allowed: ${maxLogprobs}`,
    );
  if (make === 'tgi' && top > 5)
    return { status: 422, body: { error: 'Input validation error: `top_n_tokens` must be >= 0 and <= 5' } };
  const last = body.messages.at(-1);
  const goesOn =
    last.role === 'assistant' &&
    (make === 'llama-server' ||
      (make === 'vllm' && body.continue_final_message && body.add_generation_prompt === false));
  const named = options.alias?.(body.model) ?? body.model;
  const served = options.ignoresAdapters && loaded.has(body.model) ? 'toy' : named;
  const whole = options.answer(
    served,
    body.messages.filter(({ role }: { role: string }) => role !== 'assistant'),
    body.seed ?? 0,
  );
  const words = wordsOf(whole).slice(0, body.max_tokens);
  const prompt = promptWords(body.messages, goesOn);
  const complete = wordsOf(whole).length < body.max_tokens;
  const positions = [...words, ...(complete ? ['<|end|>'] : [])];
  const message = { role: 'assistant', content: words.join('') };
  const hidden = make === 'ollama' || top === null;
  return {
    body: {
      choices: [
        {
          index: 0,
          message: make === 'vllm' ? { ...message, reasoning_content: null, tool_calls: [] } : message,
          finish_reason: complete ? (make === 'tgi' ? 'eos_token' : 'stop') : 'length',
          logprobs: hidden
            ? null
            : { content: positions.map((word, at) => position(make, served, prompt, word, at, top)) },
        },
      ],
      usage: { prompt_tokens: prompt.length, completion_tokens: positions.length },
      system_fingerprint: make === 'llama-server' ? 'b9999-toy' : null,
      ...(make === 'vllm' &&
        !options.echoes &&
        body.prompt_logprobs != null && { prompt_logprobs: promptLogprobs(served, prompt) }),
    },
  };
}

/** As a template writes them: a header and an end for every turn, and a header for the answer. */
function promptWords(messages: Conversation, goesOn: boolean): string[] {
  const words = messages.flatMap(({ role, content }) => [`<${role}>`, '\n', ...wordsOf(content), '<|end|>']);
  return goesOn ? words.slice(0, -1) : [...words, '<assistant>', '\n'];
}

const vocabulary = Array.from({ length: 25 }, (_, at) => ` word${at}`);

/** The drawn word is the likeliest; what else is likely depends on the model. vLLM has no number for the last one. */
function position(
  make: Make,
  model: string,
  prompt: readonly string[],
  word: string,
  at: number,
  top: number,
) {
  const random = createRandom('toy', model, prompt.join(''), at);
  const probability = 0.4 + 0.5 * random.next();
  const entries = [
    { token: word, logprob: Math.log(probability) },
    ...random.shuffle(vocabulary).map((token, rank) => ({
      token,
      logprob: Math.log(((1 - probability) * 0.8) / 2 ** (rank + 1)),
    })),
  ].slice(0, top);
  if (make === 'vllm' && entries.length > 19) entries[entries.length - 1]!.logprob = -9999;
  const bytesOf = (token: string) => (make === 'tgi' ? {} : { bytes: [...Buffer.from(token)] });
  return {
    ...{ token: word, logprob: Math.log(probability), ...bytesOf(word) },
    top_logprobs: entries.map((entry) => ({ ...entry, ...bytesOf(entry.token) })),
  };
}

/** What the chat would have said is as likely as it says there; anything else in its place is less so. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
function echo(options: ToyOptions, body: any): Reply {
  const words = (body.prompt as number[]).map(wordOf);
  const asked = words.lastIndexOf('<|end|>') - 1;
  const messages = [{ role: 'user' as const, content: words.slice(2, asked + 1).join('') }];
  const start = words.lastIndexOf('<assistant>') + 2;
  const answer = wordsOf(options.answer(body.model, messages, 0));
  const numbers = words.map((word, at) => {
    if (at === 0) return null;
    if (at < start) return -1;
    const { logprob } = position('vllm', body.model, words.slice(0, start), word, at - start, 1);
    return word === answer[at - start] ? logprob : logprob - 3;
  });
  const own = options.echoes === 'shifted' ? [null, ...numbers].slice(0, -1) : numbers;
  const tops = own.map((value, at) => (value === null ? null : { [words[at]!]: value, other: value - 1 }));
  return {
    body: {
      choices: [
        {
          text: '',
          logprobs: { tokens: [...words, 'x'], token_logprobs: [...own, -1], top_logprobs: [...tops, {}] },
        },
      ],
      usage: { prompt_tokens: words.length, completion_tokens: 1 },
    },
  };
}

function promptLogprobs(model: string, prompt: readonly string[]) {
  return prompt.map((word, at) => {
    if (at === 0) return null;
    const logprob = -createRandom('toy', model, prompt.slice(0, at + 1).join('')).next() * 5;
    return { [idOf(word)]: { logprob, rank: 2, decoded_token: word } };
  });
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];
const known: string[] = [];
function idOf(word: string): number {
  if (!known.includes(word)) known.push(word);
  return known.indexOf(word);
}
const wordOf = (id: number) => known[id]!;
