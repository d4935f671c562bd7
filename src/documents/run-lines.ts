import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { z } from 'zod';
import { AuditError } from '../errors.ts';
import { diskError } from '../files.ts';
import { parseLine } from '../journal.ts';
import type { Progress } from '../progress.ts';

const chunkBytes = 1 << 20;

/**
 * The records of a run's journal one after another, however many there are. A damaged line is left out and told in
 * `problems`; so is nothing of a torn last line, which was never finished. A missing file is empty.
 */
export function* readRecords<T>(
  path: string,
  schema: z.ZodType<T>,
  problems: string[],
  onProgress: (progress: Progress) => void,
): Generator<T> {
  let number = 0;
  for (const line of readLines(path, onProgress)) {
    number += 1;
    try {
      yield parseLine(line, schema, path, number);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      problems.push(`${basename(path)} line ${number}: damaged, or written by another version`);
    }
  }
}

/** Whole lines without their ends. */
function* readLines(path: string, onProgress: (progress: Progress) => void): Generator<string> {
  const descriptor = openOrNull(path);
  if (descriptor === null) return;
  try {
    const total = fstatSync(descriptor).size;
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const label = basename(path);
    let rest: Buffer = Buffer.alloc(0);
    let done = 0;
    for (let read = readSync(descriptor, chunk); read > 0; read = readSync(descriptor, chunk)) {
      const data = Buffer.concat([rest, chunk.subarray(0, read)]);
      let start = 0;
      for (let stop = data.indexOf(10); stop >= 0; stop = data.indexOf(10, start)) {
        yield data.toString('utf8', start, stop);
        start = stop + 1;
      }
      rest = Buffer.from(data.subarray(start));
      done += read;
      onProgress({ stage: 'export', label, done: toMegabytes(done), total: toMegabytes(total), unit: 'MB' });
    }
  } finally {
    closeSync(descriptor);
  }
}

const toMegabytes = (bytes: number) => Math.ceil(bytes / 1e6);

function openOrNull(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw diskError(path, error);
  }
}
