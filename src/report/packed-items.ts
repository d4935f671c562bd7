import { deflateRawSync } from 'node:zlib';
import { itemDetail } from './item-details.ts';
import type { ItemEntries, ItemEntry } from './item-entries.ts';
import type { IndexEntry, ItemIndex } from './page-data.ts';
import type { Redaction } from './redaction.ts';

/** A run's items as a page holds them, or a server gives them: deflated JSON (RFC 1951) in base64. */
export interface PackedItems {
  /** An `ItemIndex`. */
  readonly index: string;
  /** Each a list of `ItemDetail`. */
  readonly chunks: readonly string[];
}

const chunkSize = 250;
/** Of a prompt, what the list shows. */
const beginningLength = 120;

/** Packs items for `src/page`; null without any. */
export function packItems(
  { entries, total }: ItemEntries,
  arms: readonly string[],
  redaction: Redaction,
): PackedItems | null {
  if (entries.length === 0) return null;
  const chunks: string[] = [];
  for (let start = 0; start < entries.length; start += chunkSize)
    chunks.push(pack(entries.slice(start, start + chunkSize).map((entry) => itemDetail(entry, redaction))));
  return { index: pack(itemIndex(entries, total, arms, redaction)), chunks };
}

function itemIndex(
  entries: readonly ItemEntry[],
  total: number,
  arms: readonly string[],
  redaction: Redaction,
): ItemIndex {
  const [suites, conditions, tags] = [new Places(), new Places(), new Places()];
  const sets = new Places();
  const setOf = (own: readonly string[]) => sets.of(JSON.stringify(own.map((tag) => tags.of(tag))));
  const listed = entries.map(
    ({ suite, item, repeat, planned, tags: own, answers }): IndexEntry => [
      suites.of(suite),
      item.id,
      conditions.of(item.condition),
      repeat,
      setOf(own),
      answers.map((answer) => setOf(answer.tags)),
      planned && !redaction.hidesPrompt(suite, item.id) ? item.judgePrompt.slice(0, beginningLength) : null,
    ],
  );
  return {
    arms,
    suites: suites.values(),
    conditions: conditions.values(),
    tags: tags.values(),
    tagSets: sets.values().map((set) => JSON.parse(set) as number[]),
    entries: listed,
    chunkSize,
    total,
  };
}

/** Texts by the place at which they were first seen. */
class Places {
  private readonly known = new Map<string, number>();

  of(text: string): number {
    const place = this.known.get(text) ?? this.known.size;
    this.known.set(text, place);
    return place;
  }

  values(): string[] {
    return [...this.known.keys()];
  }
}

const pack = (value: unknown): string =>
  deflateRawSync(Buffer.from(JSON.stringify(value)), { level: 9 }).toString('base64');
