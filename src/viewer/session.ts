import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Who may ask: whoever opened the address with the token first, through this server's own name. */
export interface Session {
  /** What the opened address ends in; spent by its first use. */
  readonly token: string;
  /** Spends the token: the cookie to set, or null where it is another one or was spent before. */
  enter(token: string): string | null;
  /** Whether a request brings the cookie that the token was spent for. */
  admits(request: IncomingMessage): boolean;
}

/** `port` is in the cookie's name: browsers send cookies to every port of a host. */
export function createSession(port: number): Session {
  const token = randomBytes(24).toString('base64url');
  const secret = randomBytes(24).toString('base64url');
  const name = `aftertune-view-${port}`;
  let spent = false;
  return {
    token,
    enter: (given) => {
      if (spent || !equal(given, token)) return null;
      spent = true;
      return `${name}=${secret}; HttpOnly; SameSite=Strict; Path=/`;
    },
    admits: ({ headers }) =>
      (headers.cookie ?? '').split(/;\s*/).some((pair) => {
        const at = pair.indexOf('=');
        return pair.slice(0, at) === name && equal(pair.slice(at + 1), secret);
      }),
  };
}

function equal(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
