/** How deep a value is taken apart: a list inside a record of a list of a document. */
const mostLevels = 4;
const pieceLength = 1 << 16;

/** JSON of a large plain value piece by piece, the same text that JSON.stringify makes whole; memory holds a piece. */
export function* jsonPieces(value: object): Generator<Buffer> {
  let piece = '';
  for (const part of parts(value, mostLevels)) {
    piece += part;
    if (piece.length < pieceLength) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  yield Buffer.from(piece);
}

function* parts(value: unknown, levels: number): Generator<string> {
  if (levels === 0 || value === null || typeof value !== 'object') {
    yield JSON.stringify(value) ?? 'null';
    return;
  }
  const isList = Array.isArray(value);
  let before = isList ? '[' : '{';
  for (const [name, entry] of isList ? value.entries() : Object.entries(value)) {
    if (!isList && entry === undefined) continue;
    yield isList ? before : `${before}${JSON.stringify(name)}:`;
    yield* parts(entry, levels - 1);
    before = ',';
  }
  yield before === ',' ? (isList ? ']' : '}') : isList ? '[]' : '{}';
}
