import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditError } from '../errors.ts';
import { listen } from '../listen.ts';
import { isOwnAddress } from '../loopback.ts';
import type { Catalogue } from './catalogue.ts';
import { indexLink, noticePage, runAddress } from './page.ts';
import { type Answer, addressOf, html, plain, send } from './respond.ts';
import { createRoutes, type Route } from './routes.ts';
import { createSession, type Session } from './session.ts';

/** A viewer that listens. */
export interface Viewer {
  /** Where it is, with the token that its first visitor spends. */
  readonly url: string;
  /** Ends when the signal does, once every connection is closed. */
  readonly ended: Promise<void>;
}

export interface ViewerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly labeller: string;
  readonly signal: AbortSignal;
}

/** Serves runs until the signal says stop. @throws AuditError `config` where the address cannot be had. */
export async function startViewer(
  catalogue: Catalogue,
  { host, port: wanted, labeller, signal }: ViewerOptions,
): Promise<Viewer> {
  const server = createServer();
  await listen(server, host, wanted);
  const { port } = server.address() as AddressInfo;
  const session = createSession(port);
  const routes = createRoutes({ catalogue, labeller, signal });
  const start = catalogue.only === null ? '/' : runAddress(catalogue.only);
  server.on('request', (request, response) => {
    answer({ request, response, session, routes, host, port, start }).catch((error: unknown) => {
      // The response is out of order already: nothing can be told in it.
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  const ended = new Promise<void>((resolve) => {
    server.on('close', resolve);
    const stop = () => {
      server.close();
      server.closeAllConnections();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  const shown = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host;
  return { url: `http://${shown}:${port}/?token=${session.token}`, ended };
}

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly session: Session;
  readonly routes: Route;
  readonly host: string;
  readonly port: number;
  readonly start: string;
}

async function answer(visit: Visit): Promise<void> {
  const { request, response } = visit;
  const refused = refuse(visit);
  if (refused) return send(request, response, refused);
  const given = await visit.routes(request, response).catch(problemAnswer);
  if (given && !response.headersSent) send(request, response, given);
  else if (given) response.end();
}

/** What is answered instead of a page to a request from elsewhere, of another method or without the cookie; null to go on. */
function refuse({ request, session, host, port, start }: Visit): Answer | null {
  if (!isOwnAddress(request.headers, host, port)) return plain('not an address of this server\n', 403);
  const address = addressOf(request);
  if (address === null) return plain('not an address\n', 400);
  const posts = request.method === 'POST' && /^\/runs\/[0-9a-f]{16}\/labels$/.test(address.pathname);
  if (request.method !== 'GET' && request.method !== 'HEAD' && !posts)
    return { ...plain('only GET\n', 405), headers: { Allow: 'GET, HEAD' } };
  const token = address.searchParams.get('token');
  if (address.pathname === '/' && token !== null && request.method === 'GET') {
    const cookie = session.enter(token);
    if (cookie !== null) return { ...html(entrance(start)), headers: { 'Set-Cookie': cookie } };
  }
  if (session.admits(request)) return null;
  return html(
    noticePage('No entry', {
      text:
        token === null
          ? 'This page opens with the address that aftertune view printed.'
          : 'This address was used before: it opens once.',
      hint: 'stop aftertune view (Ctrl-C) and start it again: it prints a new address',
    }),
    403,
  );
}

/**
 * Leads on to the first page. Not a redirect: after one from another site's link, browsers would not send a cookie that is
 * for the same site only.
 */
const entrance = (start: string) =>
  noticePage('Opening', { text: 'Opening the viewer.', links: [{ href: start, text: 'Go on' }] }).replace(
    '<meta charset="utf-8">',
    `<meta charset="utf-8">\n<meta http-equiv="refresh" content="0; url=${start}">`,
  );

/** What cannot be shown, in words; a bug is told as one. */
function problemAnswer(error: unknown): Answer {
  if (!(error instanceof AuditError)) {
    const message = error instanceof Error ? error.message : String(error);
    return html(noticePage('A bug', { text: message, links: [indexLink] }), 500);
  }
  const { message, problems, hint } = error;
  return html(noticePage('This cannot be shown', { text: message, problems, hint, links: [indexLink] }), 409);
}
