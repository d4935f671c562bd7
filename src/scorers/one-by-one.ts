import { concernsAll } from '../errors.ts';

/**
 * What comes of all items together; where that fails each is tried alone, and what fails then is `failed`: one item's
 * failure costs that item alone.
 * @throws what concerns more than these items.
 */
export async function orOneByOne<A, B>(
  items: readonly A[],
  work: (items: readonly A[]) => Promise<B[]>,
  failed: B,
): Promise<B[]> {
  try {
    return await work(items);
  } catch (error) {
    if (concernsAll(error)) throw error;
    if (items.length <= 1) return items.map(() => failed);
    const each: B[] = [];
    for (const item of items) each.push(...(await orOneByOne([item], work, failed)));
    return each;
  }
}
