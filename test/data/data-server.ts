import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import type { DataSource } from '../../src/data/sources.ts';
import { sha256 } from '../../src/hash.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** A data set of the invented island on a server of this machine, and a cache of this test. */

export const lanterns =
  'id,prompt,type\nl0,Which lantern burns blue?,homonym\nl1,Who trims the wick?,figure\n';
export const revision = '1a'.repeat(20);

export interface DataServer {
  readonly url: string;
  /** `METHOD path authorization?` of every request. */
  readonly requests: string[];
  answer: (request: IncomingMessage, response: ServerResponse) => void;
}

export async function startDataServer(body: string | Uint8Array = lanterns): Promise<DataServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push([request.method, request.url, request.headers.authorization].filter(Boolean).join(' '));
    started.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const started: DataServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (_, response) => response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body),
  };
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    vi.unstubAllEnvs();
  });
  vi.stubEnv('AFTERTUNE_DATA', `${temporaryFolder()}/data`);
  vi.stubEnv('HF_ENDPOINT', started.url);
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'])
    vi.stubEnv(name, '');
  return started;
}

/** A data set that lies at the server's root. */
export function webSource(url: string, changes: Partial<DataSource> = {}): DataSource {
  return {
    title: 'Lanterns',
    page: 'https://example.org/lanterns',
    origin: { kind: 'web', url: `${url}/lanterns.csv` },
    revision,
    sha256: sha256(lanterns),
    largestBytes: 10_000,
    licence: 'Island licence',
    gate: null,
    warning: 'Bright.',
    use: 'suites.overRefusal.prompts',
    columns: { id: 'id', prompt: 'prompt', type: 'type' },
    ...changes,
  };
}

export const hubSource = (changes: Partial<DataSource> = {}): DataSource =>
  webSource('http://unused', {
    origin: { kind: 'hub', repository: 'isle/lanterns', path: 'lanterns.csv' },
    ...changes,
  });
