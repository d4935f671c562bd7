/** One labelled token sequence; `weights[i]` is the loss weight of predicting token i from what precedes it (0: not labelled). */
export interface Sequence {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
  /** Of a pack, the lengths of the sequences that lie in it end to end. */
  readonly lengths?: readonly number[];
}

/** Right-padded rows of tokens, B × S, with what attention needs. */
export interface Batch {
  /** B. */
  readonly rows: number;
  /** S. */
  readonly length: number;
  /** [B, S]; padding is token 0, which nothing attends to and no loss sees. */
  readonly ids: Int32Array;
  readonly positions: BigInt64Array;
  /** [M, 1, 1, S, S], M = 1 for all rows or B, added to the scores: 0 where the query may look, very negative elsewhere. */
  readonly mask: Float32Array;
}

/** The flat rows (b·S + s) whose next token carries loss, with that token and its weight. */
export interface Labels {
  readonly rows: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
}

/** Large enough to vanish in a softmax, small enough to stay finite when two are added. */
export const masked = -1e9;

/** @param start position of each row's first token, for rows that continue a cache. */
export function createBatch(sequences: readonly (readonly number[])[], start?: readonly number[]): Batch {
  const rows = sequences.length;
  const length = Math.max(...sequences.map((ids) => ids.length));
  const ids = new Int32Array(rows * length);
  const positions = new BigInt64Array(rows * length);
  const mask = new Float32Array(length * length);
  for (let s = 0; s < length; s++) mask.fill(masked, s * length + s + 1, (s + 1) * length);
  for (const [b, row] of sequences.entries()) {
    ids.set(row, b * length);
    const first = start?.[b] ?? 0;
    // Padding repeats the last position: its values are never read, and the tables end at the context length.
    for (let s = 0; s < length; s++) positions[b * length + s] = BigInt(first + Math.min(s, row.length - 1));
  }
  return { rows, length, ids, positions, mask };
}

/** Sequences end to end as one; nothing predicts a sequence's first token. */
export function pack(sequences: readonly Sequence[]): Sequence {
  return {
    ids: sequences.flatMap(({ ids }) => ids),
    weights: sequences.flatMap(({ weights }) => [0, ...weights.slice(1)]),
    lengths: sequences.map(({ ids }) => ids.length),
  };
}

/** A batch to train on: padded rows; in a pack every sequence starts at position 0 and attends to itself alone. */
export function trainingBatch(rows: readonly Sequence[]): Batch {
  const batch = createBatch(rows.map(({ ids }) => ids));
  if (rows.every(({ lengths }) => !lengths)) return batch;
  const { length, positions } = batch;
  const mask = new Float32Array(rows.length * length * length).fill(masked);
  for (const [b, { ids, lengths }] of rows.entries()) {
    let first = b * length;
    for (const own of lengths ?? [ids.length]) {
      for (let s = first; s < first + own; s++) {
        positions[s] = BigInt(s - first);
        const query = s * length;
        mask.fill(0, query + first - b * length, query + s - b * length + 1);
      }
      first += own;
    }
  }
  return { ...batch, mask };
}

/** The labelled rows of a batch made from the same sequences; every weight is multiplied by `scale`. */
export function createLabels(sequences: readonly Sequence[], length: number, scale: number): Labels {
  const rows: number[] = [];
  const targets: number[] = [];
  const weights: number[] = [];
  for (const [b, sequence] of sequences.entries()) {
    for (let i = 1; i < sequence.ids.length; i++) {
      if (!sequence.weights[i]) continue;
      rows.push(b * length + i - 1);
      targets.push(sequence.ids[i]!);
      weights.push(sequence.weights[i]! * scale);
    }
  }
  return {
    rows: Int32Array.from(rows),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(weights),
  };
}
