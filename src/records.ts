/** Records of a run that may lie on the disk: read again each time they are gone through. An array is one too. */
export interface Records<T> extends Iterable<T> {
  readonly length: number;
  slice(start: number, end: number): readonly T[];
}

/** Those of `all` that satisfy `keep`, read as `all` is. */
export function only<T>(all: Iterable<T>, keep: (record: T) => boolean): Iterable<T> {
  return {
    *[Symbol.iterator]() {
      for (const record of all) if (keep(record)) yield record;
    },
  };
}

/** As `only`, with places of their own: memory holds four bytes for each of `all`. */
export function chosen<T>(all: Records<T>, keep: (record: T) => boolean): Records<T> {
  const kept = new Uint32Array(all.length);
  let [at, length] = [0, 0];
  for (const record of all) {
    if (keep(record)) kept[length++] = at;
    at++;
  }
  const readAt = (place: number) => all.slice(place, place + 1)[0]!;
  const places = kept.subarray(0, length);
  return {
    length,
    slice: (start, end) => Array.from(places.subarray(start, end), readAt),
    *[Symbol.iterator]() {
      for (const place of places) yield readAt(place);
    },
  };
}

export function isEmpty(records: Iterable<unknown>): boolean {
  for (const _ of records) return false;
  return true;
}

/** How often each key comes. */
export function countBy<T, K>(values: Iterable<T>, keyOf: (value: T) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const value of values) {
    const key = keyOf(value);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Where an item stands among `items`; -1 where it does not. */
export function placesIn(
  items: readonly { readonly id: string; readonly condition: string }[],
): (record: { readonly id: string; readonly condition: string }) => number {
  const places = new Map<string, Map<string, number>>();
  for (const [at, { id, condition }] of items.entries()) {
    let ids = places.get(condition);
    if (!ids) places.set(condition, (ids = new Map()));
    ids.set(id, at);
  }
  return ({ id, condition }) => places.get(condition)?.get(id) ?? -1;
}
