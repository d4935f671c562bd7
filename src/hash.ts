import { createHash, type Hash, hash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';

/** Lower-case hex SHA-256 of a string (UTF-8) or bytes. */
export function sha256(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** Lower-case hex SHA-256 of a file, streamed. */
export function sha256File(path: string): Promise<string> {
  return hashFile(createHash('sha256'), path);
}

/** The name that git gives a file's content: SHA-1 of `blob`, its length and its bytes, in lower-case hex. */
export function gitBlobSha1File(path: string): Promise<string> {
  return hashFile(createHash('sha1').update(`blob ${statSync(path).size}\0`), path);
}

async function hashFile(into: Hash, path: string): Promise<string> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) into.update(chunk as Buffer);
  return into.digest('hex');
}

/** SHA-256 of a JSON value with object keys sorted, so that equal values hash equally. */
export function sha256Json(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** JSON with keys sorted at every depth; `undefined` members are left out as in JSON. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(withSortedKeys(value));
}

/** A copy with keys sorted; a replacer given to JSON.stringify does the same in three times the time. */
function withSortedKeys(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return withSortedKeys(value.toJSON());
  if (Array.isArray(value)) return value.map(withSortedKeys);
  const sorted: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    const entry = withSortedKeys((value as Record<string, unknown>)[key]);
    if (key === '__proto__') Object.defineProperty(sorted, key, { value: entry, enumerable: true });
    else sorted[key] = entry;
  }
  return sorted;
}
