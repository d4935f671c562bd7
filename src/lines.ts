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

/** Cuts what comes of a file, piece by piece, into lines. */
export interface Splitter {
  /** The lines that end in this piece, which may not be written over while they are looked at. */
  add(piece: Buffer): Generator<RawLine>;
  /** Bytes of an unfinished line that are waiting. */
  waiting(): number;
  /** The last line, where no line break ends it. */
  rest(): RawLine | null;
}

export function lineSplitter(): Splitter {
  let [parts, waiting, before]: [Buffer[], number, number] = [[], 0, 0];
  return {
    *add(piece) {
      let start = 0;
      for (let stop = piece.indexOf(10); stop >= 0; stop = piece.indexOf(10, start)) {
        const rest = piece.subarray(start, stop);
        const line = parts.length > 0 ? Buffer.concat([...parts, rest]) : rest;
        yield { line, end: before + stop + 1, whole: true };
        [parts, waiting, start] = [[], 0, stop + 1];
      }
      // Copied, so that a few bytes keep no whole piece and may be written over.
      if (start < piece.length) parts.push(Buffer.from(piece.subarray(start)));
      waiting += piece.length - start;
      before += piece.length;
    },
    waiting: () => waiting,
    rest: () => (waiting > 0 ? { line: Buffer.concat(parts), end: before, whole: false } : null),
  };
}

/**
 * @param read fills a buffer with what comes next in the file and says how many bytes that are; 0 at its end.
 * @param held is told how many bytes of an unfinished line are waiting, and may throw where these are too many.
 */
export function* linesOf(
  read: (chunk: Buffer) => number,
  held: (bytes: number) => void = () => {},
): Generator<RawLine> {
  const splitter = lineSplitter();
  for (;;) {
    // A new one each time: the lines that were given are parts of the last one.
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const count = read(chunk);
    if (count === 0) break;
    yield* splitter.add(chunk.subarray(0, count));
    held(splitter.waiting());
  }
  const rest = splitter.rest();
  if (rest) yield rest;
}
