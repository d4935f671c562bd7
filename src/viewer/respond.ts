import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a route answers with; what is streamed takes the response over. */
export interface Answer {
  readonly status: number;
  readonly type: 'text/html' | 'application/json' | 'text/plain' | 'text/javascript';
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page may run the viewer's own script and ask this server, and nothing else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Of every answer. Nothing is kept by the browser: a page may hold what is redacted elsewhere. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

export const html = (body: string, status = 200): Answer => ({ status, type: 'text/html', body });
export const json = (value: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});
export const plain = (body: string, status = 200): Answer => ({ status, type: 'text/plain', body });

export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    ...securityHeaders,
    'Content-Type': `${answer.type}; charset=utf-8`,
    'Content-Length': body.length,
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The address that is asked for, its host left open; null where it is none. */
export function addressOf({ url = '/' }: IncomingMessage): URL | null {
  return url.startsWith('/') && URL.canParse(`http://viewer${url}`) ? new URL(`http://viewer${url}`) : null;
}
