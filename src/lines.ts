/** Lines of a file of any size; memory holds a chunk and the longest line. */

const chunkBytes = 1 << 20;

export interface RawLine {
  /** Without its end. */
  readonly line: Buffer;
  /** Bytes from the file's beginning to the line's end. */
  readonly end: number;
  /** False for a last line that no line break ends. */
  readonly whole: boolean;
}

/**
 * @param read fills a buffer with what comes next in the file and says how many bytes that are; 0 at its end.
 * @param held is told how many bytes of an unfinished line are waiting, and may throw where these are too many.
 */
export function* linesOf(
  read: (chunk: Buffer) => number,
  held: (bytes: number) => void = () => {},
): Generator<RawLine> {
  let [parts, waiting, before]: [Buffer[], number, number] = [[], 0, 0];
  for (;;) {
    // A new one each time: the lines that were given are parts of the last one.
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const count = read(chunk);
    if (count === 0) break;
    const filled = chunk.subarray(0, count);
    let start = 0;
    for (let stop = filled.indexOf(10); stop >= 0; stop = filled.indexOf(10, start)) {
      const rest = filled.subarray(start, stop);
      const line = parts.length > 0 ? Buffer.concat([...parts, rest]) : rest;
      yield { line, end: before + stop + 1, whole: true };
      [parts, waiting, start] = [[], 0, stop + 1];
    }
    // Copied, so that a few bytes do not keep a whole chunk.
    if (start < count) parts.push(start > 0 ? Buffer.from(filled.subarray(start)) : filled);
    waiting += count - start;
    before += count;
    held(waiting);
  }
  if (waiting > 0) yield { line: Buffer.concat(parts), end: before, whole: false };
}
