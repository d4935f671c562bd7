import type { IncomingMessage } from 'node:http';

/** Of a body that is too long, this much more is read and dropped, so that the answer arrives; then no more. */
const droppedBytes = 1 << 20;

/** The JSON of a request's body; a status instead where it is of another type (415), too long (413) or no JSON (400). */
export async function readJsonBody(
  request: IncomingMessage,
  mostBytes: number,
): Promise<{ readonly value: unknown } | { readonly status: 400 | 413 | 415 }> {
  const body = await readBody(request, mostBytes);
  // Another type needs no leave from the browser to be sent by another site's page.
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) return { status: 415 };
  if (body === null) return { status: 413 };
  try {
    // Bytes that are no UTF-8 would be replaced in silence.
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) };
  } catch {
    return { status: 400 };
  }
}

function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= mostBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (length > mostBytes + droppedBytes) request.destroy();
    });
    request.on('end', () => resolve(length > mostBytes ? null : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the request was broken off')));
  });
}
