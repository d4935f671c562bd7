import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Reads a file of lines that another process adds to: every call gives what is new. */
export interface Tail {
  /**
   * New whole lines, 8 MiB of them at most; a torn last line waits until it is whole. `restarted`: the file was
   * written anew, so that what was read before no longer counts, and these are its first lines.
   */
  read(): { readonly lines: readonly string[]; readonly restarted: boolean };
}

const mostBytes = 8 << 20;

export function tail(path: string): Tail {
  let position = 0;
  let file = 0;
  const readOpen = (descriptor: number) => {
    const { ino, size } = fstatSync(descriptor);
    const restarted = position > 0 && (ino !== file || size < position);
    if (restarted) position = 0;
    file = ino;
    const bytes = Buffer.alloc(Math.min(mostBytes, size - position));
    const filled = bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, position));
    const whole = filled.subarray(0, filled.lastIndexOf(10) + 1);
    position += whole.length;
    return { lines: whole.toString('utf8').split('\n').slice(0, -1), restarted };
  };
  return {
    read: () => {
      let descriptor: number;
      try {
        descriptor = openSync(path, 'r');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        const restarted = position > 0;
        position = 0;
        return { lines: [], restarted };
      }
      try {
        return readOpen(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}
