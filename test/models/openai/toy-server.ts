import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Conversation } from '../../../src/conversation.ts';
import { cards, replyTo, running } from './toy-replies.ts';

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
  /** An older Ollama, which passes over `logprobs`. */
  readonly hidesLogprobs?: boolean;
  /** Tokens that fit into Ollama's context; 4096 unless given. */
  readonly context?: number;
  /** What it draws is not the likeliest, as where repetition is punished. */
  readonly punishes?: boolean;
  /** vLLM's --max-logprobs. */
  readonly maxLogprobs?: number;
  /** An older vLLM, whose completions echo and whose chats know no prompt_logprobs. `shifted`: by a token too far. */
  readonly echoes?: true | 'shifted';
  /** GET /health says it is not well; a list of models is not given either. */
  readonly ill?: () => boolean;
  /** As vLLM without leave to load adapters while it runs. */
  readonly neverLoads?: boolean;
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
      if (request.url === '/health') return send(options.make === 'ollama' ? 404 : 200, '');
      if (request.url === '/api/ps' && options.make === 'ollama') return send(200, running(options));
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
