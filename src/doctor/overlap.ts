/** How much of a suite the arms have been trained on. */
export interface Overlap {
  /** The evaluation prompt, by its place. */
  readonly at: number;
  /** The nearest training prompt, by its place. */
  readonly training: number;
  readonly kind: 'exact' | 'normalised' | 'near';
  /** Jaccard similarity of character shingles, 0–1. */
  readonly similarity: number;
}

/** From this similarity on two prompts count as near-duplicates: one word of five letters changed in some 65 characters. */
export const nearDuplicate = 0.7;
const shingleLength = 5;

/** Lower case, without accents and punctuation, single spaces. */
export function normalisePrompt(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/**
 * Evaluation prompts that are training prompts: equal, equal when normalised, or with a Jaccard similarity of their
 * normalised texts' character 5-shingles of at least `nearDuplicate`. Exact, through an index of shingles: no sketches.
 * Source: Leskovec, Rajaraman & Ullman 2020, Mining of Massive Datasets, chapter 3.
 */
export function findOverlaps(evaluation: readonly string[], training: readonly string[]): Overlap[] {
  const best = new Map<number, Overlap>();
  const keep = (overlap: Overlap) => {
    const before = best.get(overlap.at);
    if (!before || rank(overlap) > rank(before)) best.set(overlap.at, overlap);
  };
  const exact = placesOf(evaluation);
  const plain = evaluation.map(normalisePrompt);
  const normalised = placesOf(plain);
  const index = new Map<string, number[]>();
  const sizes = plain.map((text, at) => {
    const shingles = shinglesOf(text);
    for (const shingle of shingles) {
      const places = index.get(shingle);
      if (places) places.push(at);
      else index.set(shingle, [at]);
    }
    return shingles.size;
  });
  const shared = new Uint32Array(evaluation.length);
  for (const [place, prompt] of training.entries()) {
    for (const at of exact.get(prompt) ?? []) keep({ at, training: place, kind: 'exact', similarity: 1 });
    const text = normalisePrompt(prompt);
    for (const at of (text && normalised.get(text)) || [])
      keep({ at, training: place, kind: 'normalised', similarity: 1 });
    const shingles = shinglesOf(text);
    shared.fill(0);
    for (const shingle of shingles) for (const at of index.get(shingle) ?? []) shared[at]! += 1;
    for (let at = 0; at < shared.length; at++) {
      const similarity = shared[at]! / (sizes[at]! + shingles.size - shared[at]!);
      if (similarity >= nearDuplicate) keep({ at, training: place, kind: 'near', similarity });
    }
  }
  return [...best.values()].sort((a, b) => rank(b) - rank(a) || a.at - b.at);
}

const rank = ({ kind, similarity }: Overlap) => ({ exact: 3, normalised: 2, near: 0 })[kind] + similarity;

function placesOf(texts: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [at, text] of texts.entries()) places.set(text, [...(places.get(text) ?? []), at]);
  return places;
}

/** A text shorter than a shingle is one. */
function shinglesOf(text: string): Set<string> {
  if (text.length <= shingleLength) return new Set(text ? [text] : []);
  const shingles = new Set<string>();
  for (let at = 0; at + shingleLength <= text.length; at++) shingles.add(text.slice(at, at + shingleLength));
  return shingles;
}
