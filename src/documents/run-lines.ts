import { closeSync, fstatSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { z } from 'zod';
import { AuditError } from '../errors.ts';
import { openIfThere } from '../files.ts';
import { parseLine } from '../journal.ts';
import { linesOf } from '../lines.ts';
import type { Progress } from '../progress.ts';

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
  const descriptor = openIfThere(path);
  if (descriptor === null) return;
  try {
    const total = toMegabytes(fstatSync(descriptor).size);
    const label = basename(path);
    let done = 0;
    const read = (chunk: Buffer) => {
      onProgress({ stage: 'export', label, done: toMegabytes(done), total, unit: 'MB' });
      const count = readSync(descriptor, chunk);
      done += count;
      return count;
    };
    for (const { line, whole } of linesOf(read)) if (whole) yield line.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

const toMegabytes = (bytes: number) => Math.ceil(bytes / 1e6);
