import { closeSync, fstatSync, readSync } from 'node:fs';
import { openIfThere } from './files.ts';

/** Reads a file of lines that another process adds to: every call gives what is new. */
export interface Tail {
  read(): TailRead;
}

export interface TailRead {
  /** New whole lines with their ends, about 1 MiB of them; a torn last line waits until it is whole. */
  readonly whole: Buffer;
  /** The file was written anew, so that what was read before no longer counts, and these are its first lines. */
  readonly restarted: boolean;
  /** Lines over 8 MiB that were come upon: they are passed over. */
  readonly skipped: number;
  /** Whether anything was read or passed over. */
  readonly moved: boolean;
  /** Bytes before and after where reading goes on. */
  readonly done: number;
  readonly left: number;
}

const chunkBytes = 1 << 20;
const longestLine = 8 << 20;
const nothing = Buffer.alloc(0);

export function tail(path: string): Tail {
  let [position, file, skipping] = [0, 0, false];
  const readOpen = (descriptor: number): TailRead => {
    const { ino, size } = fstatSync(descriptor);
    const restarted = position > 0 && (ino !== file || size < position);
    if (restarted) [position, skipping] = [0, false];
    file = ino;
    const begun = position;
    const bytes = (most: number) => {
      const chunk = Buffer.allocUnsafe(Math.min(most, size - position));
      return chunk.subarray(0, readSync(descriptor, chunk, 0, chunk.length, position));
    };
    let data = bytes(chunkBytes);
    if (skipping) {
      const end = data.indexOf(10) + 1;
      skipping = end === 0;
      position += skipping ? data.length : end;
      data = skipping ? nothing : data.subarray(end);
    }
    let end = data.lastIndexOf(10) + 1;
    let skipped = 0;
    if (end === 0 && !skipping && size - position > data.length) {
      data = bytes(longestLine);
      end = data.lastIndexOf(10) + 1;
      if (end === 0 && data.length === longestLine) {
        [skipping, skipped] = [true, 1];
        position += data.length;
      }
    }
    position += end;
    const moved = position > begun || restarted;
    return { whole: data.subarray(0, end), restarted, skipped, moved, done: position, left: size - position };
  };
  return {
    read: () => {
      const descriptor = openIfThere(path);
      if (descriptor === null) {
        const restarted = position > 0;
        [position, skipping] = [0, false];
        return { whole: nothing, restarted, skipped: 0, moved: restarted, done: 0, left: 0 };
      }
      try {
        return readOpen(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** Whole lines as texts, without their ends. */
export const textsOf = (whole: Buffer): string[] => whole.toString('utf8').split('\n').slice(0, -1);
