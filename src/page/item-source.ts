import type { ItemDetail, ItemIndex } from '../report/page-data.ts';

/** Where items come from: the page itself, or a server. */
export interface ItemSource {
  index(): Promise<ItemIndex>;
  /** One chunk of details; the last few asked for are kept. */
  chunk(place: number): Promise<readonly ItemDetail[]>;
}

const chunksKept = 8;

/** Reads packed items by name (`items-index`, `items-0`, …), each read and inflated once it is asked for. */
export function itemSource(read: (name: string) => Promise<string> | string): ItemSource {
  let index: Promise<ItemIndex> | undefined;
  const chunks = new Map<number, Promise<readonly ItemDetail[]>>();
  return {
    index: () => {
      index ??= unpack<ItemIndex>(read('items-index'));
      return index;
    },
    chunk: (place) => {
      const known = chunks.get(place) ?? unpack<readonly ItemDetail[]>(read(`items-${place}`));
      chunks.delete(place);
      chunks.set(place, known);
      for (const oldest of chunks.keys()) {
        if (chunks.size <= chunksKept) break;
        chunks.delete(oldest);
      }
      return known;
    },
  };
}

/** The items that the page holds; null without any. */
export function embeddedItems(page: Document): ItemSource | null {
  if (!page.getElementById('items-index')) return null;
  return itemSource((name) => page.getElementById(name)?.textContent ?? '');
}

async function unpack<T>(packed: Promise<string> | string): Promise<T> {
  const text = atob(await packed);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return (await new Response(inflated).json()) as T;
}
