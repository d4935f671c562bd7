import { request } from 'undici';
import { byProxy, proxyAgent } from '../../proxy.ts';
import { withTimeLimit } from '../../time-limit.ts';
import type { Exchange, ExchangeRequest } from './exchange.ts';

/** As `exchange`, through the environment's proxy. */
export async function proxiedExchange(
  address: string,
  { headers, body, longest, timeoutMs, signal: stop }: ExchangeRequest,
): Promise<Exchange> {
  const dispatcher = await proxyAgent();
  return withTimeLimit(timeoutMs, stop, async (signal) => {
    try {
      const reply = await request(address, {
        ...{ dispatcher, method: body === null ? 'GET' : 'POST', headers, body },
        ...{ signal, headersTimeout: 0, bodyTimeout: 0 },
      });
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of reply.body as AsyncIterable<Buffer>) {
        parts.push(part);
        bytes += part.length;
        // Leaving the loop ends the connection.
        if (bytes > longest) break;
      }
      return {
        ...{ status: reply.statusCode, text: bytes > longest ? null : Buffer.concat(parts).toString() },
        headers: new Headers(Object.entries(reply.headers).map(([name, value]) => [name, String(value)])),
      };
    } catch (error) {
      throw signal.aborted ? signal.reason : byProxy(error);
    }
  });
}
