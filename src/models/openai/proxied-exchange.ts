import { request } from 'undici';
import { byProxy, proxyAgent } from '../../proxy.ts';
import { type Exchange, type ExchangeRequest, TimedOut } from './exchange.ts';

/** As `exchange`, through the environment's proxy. */
export async function proxiedExchange(
  address: string,
  { headers, body, longest, timeoutMs, signal }: ExchangeRequest,
): Promise<Exchange> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const reply = await request(address, {
      ...{ dispatcher: await proxyAgent(), method: body === null ? 'GET' : 'POST', headers, body },
      ...{ signal: signal ? AbortSignal.any([signal, late]) : late, headersTimeout: 0, bodyTimeout: 0 },
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
    throw late.aborted ? new TimedOut() : byProxy(error);
  }
}
