import type { ItemDetail, ItemIndex } from '../report/page-data.ts';
import type { ItemSource } from './item-source.ts';

/** Looks for words in everything that the page holds of an item: id, prompt, answers, and what judges said. */

/** How far a search has come. */
export interface SearchState {
  /** Entries found so far, in order; the same list, which grows. */
  readonly found: readonly number[];
  readonly searched: number;
  readonly of: number;
}

/** A word is held anywhere in an item, whatever its case; an item has to hold all of them. */
export const wordsOf = (text: string): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);

/**
 * Goes through the chunks that hold `candidates`, each read and inflated when it is its turn, and tells after every one.
 * Stops, without a last word, once `signal` is aborted.
 */
export async function searchItems(
  { index, source }: { readonly index: ItemIndex; readonly source: ItemSource },
  candidates: readonly number[],
  words: readonly string[],
  told: (state: SearchState) => void,
  signal: AbortSignal,
): Promise<void> {
  const found: number[] = [];
  let at = 0;
  while (at < candidates.length) {
    const place = Math.floor(candidates[at]! / index.chunkSize);
    const details = await source.chunk(place);
    if (signal.aborted) return;
    for (; at < candidates.length && Math.floor(candidates[at]! / index.chunkSize) === place; at++) {
      const entry = candidates[at]!;
      const text = textOf(index.entries[entry]![1], details[entry % index.chunkSize]!);
      if (words.every((word) => text.includes(word))) found.push(entry);
    }
    told({ found, searched: at, of: candidates.length });
  }
  if (candidates.length === 0) told({ found, searched: 0, of: 0 });
}

function textOf(id: string, { prompt, notes, answers }: ItemDetail): string {
  const parts: (string | null | undefined)[] = [id, prompt, ...notes];
  for (const answer of answers) {
    if (!answer) continue;
    parts.push(answer.completion, answer.thinking, answer.prefill, answer.failure, answer.sha256);
    for (const { judge, label, notes: said } of answer.verdicts) parts.push(judge, label, ...said);
  }
  // A line end, which no word holds, keeps parts apart.
  return parts.filter(Boolean).join('\n').toLowerCase();
}
