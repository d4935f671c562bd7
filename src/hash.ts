import { createHash, type Hash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';

/** Lower-case hex SHA-256 of a string (UTF-8) or bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Lower-case hex SHA-256 of a file, streamed. */
export function sha256File(path: string): Promise<string> {
  return hashFile(createHash('sha256'), path);
}

/** The name that git gives a file's content: SHA-1 of `blob`, its length and its bytes, in lower-case hex. */
export function gitBlobSha1File(path: string): Promise<string> {
  return hashFile(createHash('sha1').update(`blob ${statSync(path).size}\0`), path);
}

async function hashFile(hash: Hash, path: string): Promise<string> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** SHA-256 of a JSON value with object keys sorted, so that equal values hash equally. */
export function sha256Json(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** JSON with keys sorted at every depth; `undefined` members are left out as in JSON. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    entry !== null && typeof entry === 'object' && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : entry,
  );
}
