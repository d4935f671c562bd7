import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditError } from '../errors.ts';
import { listen } from '../listen.ts';
import { withTimeLimit } from '../time-limit.ts';
import { admit, readBody } from './admission.ts';
import { Chat } from './chat.ts';
import { readChatRequest } from './chat-request.ts';
import { Completion } from './completion.ts';
import { promptsOf, readCompletionRequest } from './completion-request.ts';
import { asServeError, ServeError } from './problem.ts';
import { modelList, type ServedModel, servedModel } from './served-model.ts';
import { detokenize, tokenize, tokenizerInfo } from './tokenize.ts';

export interface ServeSettings {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly key: string | null;
  readonly version: string;
  /** A line per request: method, path, status, milliseconds; never a prompt or an answer. */
  readonly log: (line: string) => void;
  /** Answers in line or at work at once; further requests are told to come again. Default 256. */
  readonly mostAnswers?: number;
  /** Default ten minutes. */
  readonly deadlineMs?: number;
}

export interface Serving {
  readonly url: string;
  /** Resolves with the reason once a request finds that the engine is gone: nothing will be answered any more. */
  readonly gone: Promise<AuditError>;
  /** Takes no new requests, lets those that run finish, and ends them after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Answers OpenAI's protocols with models that can stream; they stay the caller's to close. */
export async function serveModels(served: readonly ServedModel[], settings: ServeSettings): Promise<Serving> {
  const { mostAnswers = 256, deadlineMs = 600_000 } = settings;
  const stopping = new AbortController();
  let goes: (error: AuditError) => void;
  const gone = new Promise<AuditError>((resolve) => {
    goes = resolve;
  });
  const created = Math.floor(Date.now() / 1000);
  let answers = 0;

  const answer = async (request: IncomingMessage, response: ServerResponse, isChat: boolean) => {
    const body = await readBody(request);
    const asked = isChat ? readChatRequest(body) : readCompletionRequest(body);
    const places = (asked.n ?? 1) * ('prompt' in asked ? promptsOf(asked).length : 1);
    const target = servedModel(served, asked.model);
    if (places > mostAnswers)
      throw new ServeError(400, `asks for ${places} answers: there are at most ${mostAnswers} at once`);
    if (answers + places > mostAnswers) {
      response.setHeader('retry-after', '1');
      throw new ServeError(429, 'too many requests are waiting', 'rate_limit_error');
    }
    const leaving = new AbortController();
    response.on('close', () => leaving.abort());
    answers += places;
    try {
      await withTimeLimit(deadlineMs, stopping.signal, async (limit) => {
        const signal = AbortSignal.any([limit, leaving.signal]);
        const answer =
          'prompt' in asked ? new Completion(asked, target, signal) : new Chat(asked, target, signal);
        if (!asked.stream) return sendJson(response, 200, await answer.whole());
        await answer.stream((chunk) => sendEvent(response, JSON.stringify(chunk)));
        sendEvent(response, '[DONE]');
        response.end();
      });
    } finally {
      leaving.abort();
      answers -= places;
    }
  };
  const route = async (request: IncomingMessage, response: ServerResponse) => {
    admit(request, settings.host, settings.key);
    const path = (request.url ?? '').split('?')[0]!;
    const routes: Record<string, () => unknown> = {
      'POST /v1/chat/completions': () => answer(request, response, true),
      'POST /v1/completions': () => answer(request, response, false),
      'POST /tokenize': async () => sendJson(response, 200, await tokenize(served, await readBody(request))),
      'POST /detokenize': async () =>
        sendJson(response, 200, await detokenize(served, await readBody(request))),
      'GET /tokenizer_info': async () => sendJson(response, 200, await tokenizerInfo(served)),
      'GET /v1/models': () => sendJson(response, 200, modelList(served, created)),
      'GET /version': () => sendJson(response, 200, { version: settings.version }),
      'GET /health': () => sendJson(response, 200, { status: 'ok' }),
    };
    const found = routes[`${request.method} ${path}`];
    if (!found) throw noRoute(`${request.method} ${path.slice(0, 100)}`, Object.keys(routes));
    await found();
  };
  const server = createServer((request, response) => {
    const begun = performance.now();
    const path = (request.url ?? '').split('?')[0]!.slice(0, 100);
    response.on('close', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
      const status = response.writableFinished ? response.statusCode : 'left';
      settings.log(`${request.method} ${path} ${status} ${Math.round(performance.now() - begun)} ms`);
    });
    route(request, response).catch((error: unknown) => {
      sendError(response, asServeError(error));
      if (error instanceof AuditError && error.code === 'engine') goes(error);
    });
  });
  await listen(server, settings.host, settings.port);
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `http://${host}:${port}/v1`,
    gone,
    async close(graceMs = 5000) {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        stopping.abort();
        setTimeout(() => server.closeAllConnections(), 1000).unref();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Names those that end alike: /v1 may be lacking or doubled, or the method another. */
function noRoute(asked: string, routes: readonly string[]): ServeError {
  const end = asked.slice(asked.lastIndexOf('/'));
  const near = routes.filter((route) => end.length > 1 && route.endsWith(end));
  const advice = near.length > 0 ? `; there is ${near.join(' and ')}` : '';
  return new ServeError(404, `no such route: ${asked}${advice}`);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendEvent(response: ServerResponse, data: string): void {
  if (!response.headersSent)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.write(`data: ${data}\n\n`);
}

/** Once a stream has begun, an error is its last event. */
function sendError(response: ServerResponse, problem: ServeError): void {
  if (response.destroyed) return;
  if (!response.headersSent) {
    sendJson(response, problem.status, problem.body);
    return;
  }
  sendEvent(response, JSON.stringify(problem.body));
  response.end();
}
