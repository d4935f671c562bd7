/** A token that is found in a text before anything else is done with it: an entry of `added_tokens` in tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Counts only where it is not part of a longer word. */
  readonly single_word?: boolean;
  /** Takes the white space on its left with it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Is looked for in the normalised text, in its normalised form; default: where it is not special. */
  readonly normalized?: boolean;
  readonly special?: boolean;
}

/** A piece of a text: an added token's id, or what stands between two. */
export type Piece = number | string;

const wordAtEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const wordAtStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const spaceAtEnd = /\p{White_Space}*$/u;
const spaceAtStart = /^\p{White_Space}*/u;

/**
 * A splitter at added tokens, the leftmost and then the longest first.
 * @param contentOf what to look for.
 * Source: the Rust crate tokenizers, `AddedVocabulary::find_matches`.
 */
export function createSplitter(
  tokens: readonly AddedToken[],
  contentOf: (token: AddedToken) => string,
): (text: string) => Piece[] {
  const byContent = new Map(tokens.map((token) => [contentOf(token), token]));
  byContent.delete('');
  if (byContent.size === 0) return (text) => [text];
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const anyToken = new RegExp(longestFirst.map(escapePattern).join('|'), 'gu');
  return (text) => {
    const pieces: Piece[] = [];
    let done = 0;
    for (const { 0: content, index } of text.matchAll(anyToken)) {
      const token = byContent.get(content)!;
      let [start, stop] = [index, index + content.length];
      const [before, after] = [text.slice(0, start), text.slice(stop)];
      if (token.single_word && (wordAtEnd.test(before) || wordAtStart.test(after))) continue;
      if (token.lstrip) start = Math.max(done, spaceAtEnd.exec(before)!.index);
      if (token.rstrip) stop += spaceAtStart.exec(after)![0].length;
      if (start > done) pieces.push(text.slice(done, start));
      pieces.push(token.id);
      done = stop;
    }
    if (done < text.length) pieces.push(text.slice(done));
    return pieces;
  };
}

const escapePattern = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
