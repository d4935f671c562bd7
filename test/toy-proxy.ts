import { createServer, request as send } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { onTestFinished } from 'vitest';

/** A proxy on this machine that takes whatever it is asked for to one server of the test. */

export interface ToyProxy {
  readonly port: number;
  /** `METHOD target authorization?` of every request: an address, or HOST:PORT of a tunnel. */
  readonly requests: string[];
}

/** `to`: the server's port; null: nothing is let through. */
export async function toyProxy(to: number | null): Promise<ToyProxy> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    requests.push([method, url, headers['proxy-authorization']].filter(Boolean).join(' '));
    if (to === null) return response.writeHead(403).end('not through here');
    const { pathname, search } = new URL(url!);
    const options = { port: to, host: '127.0.0.1', method: method!, path: pathname + search, headers };
    const onward = send(options, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward.on('error', () => response.destroy()));
    return response;
  });
  server.on('connect', (request, client, head) => {
    const { method, url, headers } = request;
    requests.push([method, url, headers['proxy-authorization']].filter(Boolean).join(' '));
    client.on('error', () => {});
    if (to === null) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const target = connect(to, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.write(head);
      target.pipe(client).pipe(target);
    });
    return target.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}
