import type { GenerationFacts } from './outcomes.ts';

/** Broken output fools judges in both directions: how much of an arm's output is broken, and how. */

export interface Coherence {
  readonly completions: number;
  readonly empty: number;
  readonly repetitive: number;
  /** Empty, repetitive or cut off at the token limit. */
  readonly any: number;
}

const window = 4;
const fewestWindows = 8;
const mostRepeated = 0.5;

/** Of an arm's completions; those that were never made are left out. */
export function coherenceOf(
  records: Iterable<Pick<GenerationFacts, 'answered' | 'repetitive' | 'finishReason'>>,
): Coherence {
  const counts = { completions: 0, empty: 0, repetitive: 0, any: 0 };
  for (const { answered, repetitive, finishReason } of records) {
    counts.completions++;
    if (!answered) counts.empty++;
    if (repetitive) counts.repetitive++;
    if (!answered || repetitive || finishReason === 'length') counts.any++;
  }
  return counts;
}

/**
 * Whether more than half of the sequences of four words (characters, where a text has hardly any spaces) have been there
 * before: seq-rep-4 > 0.5. Texts of fewer than eight such sequences are not.
 * Source: Welleck et al. 2020, arXiv 1908.04319 (seq-rep-n); the threshold is ours.
 */
export function isRepetitive(text: string): boolean {
  const words = text.toLowerCase().match(/\S+/g) ?? [];
  const units = words.length * 20 < text.length ? [...text.replace(/\s/g, '')] : words;
  const windows = units.length - window + 1;
  if (windows < fewestWindows) return false;
  // Each new word begins a new sequence: with enough of them there is nothing to count.
  if (new Set(units).size - window >= windows * (1 - mostRepeated)) return false;
  const seen = new Set<string>();
  for (let at = 0; at < windows; at++) seen.add(units.slice(at, at + window).join('\u0000'));
  return 1 - seen.size / windows > mostRepeated;
}
