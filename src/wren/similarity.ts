/** How alike two prompts are worded: token trigrams, tokens being lower-cased words. */

/** The distinct trigrams of a text; a text of fewer than three words is one gram of its own. */
export function trigrams(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  if (words.length < 3) return new Set([words.join(' ')]);
  return new Set(words.slice(2).map((word, index) => `${words[index]} ${words[index + 1]} ${word}`));
}

/**
 * The largest trigram Jaccard similarity of any text with any of the references, with the pair that has it.
 * An inverted index keeps it linear in the trigrams that are shared.
 */
export function closestPair(texts: readonly string[], references: Iterable<string>) {
  const grams = texts.map(trigrams);
  const index = new Map<string, number[]>();
  for (const [at, set] of grams.entries()) {
    for (const gram of set) index.set(gram, [...(index.get(gram) ?? []), at]);
  }
  let closest = { similarity: 0, text: '', reference: '' };
  for (const reference of new Set(references)) {
    const set = trigrams(reference);
    const shared = new Map<number, number>();
    for (const gram of set) for (const at of index.get(gram) ?? []) shared.set(at, (shared.get(at) ?? 0) + 1);
    for (const [at, count] of shared) {
      const similarity = count / (set.size + grams[at]!.size - count);
      if (similarity > closest.similarity) closest = { similarity, text: texts[at]!, reference };
    }
  }
  return closest;
}
