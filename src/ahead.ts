/**
 * Prepares values before they are asked for, at most `most` of them, once whatever else waits for the event loop has had
 * its turn: who takes one need not wait for it to be made. They come in order.
 */
export function* ahead<A, B>(
  values: Iterable<A>,
  most: number,
  prepare: (value: A) => Promise<B>,
): Generator<Promise<B>> {
  const rest = values[Symbol.iterator]();
  const ready: Promise<B>[] = [];
  const add = (): boolean => {
    const next = rest.next();
    if (next.done) return false;
    const made = prepare(next.value);
    // Whoever takes it is told of its failure; it may be that nobody does.
    made.catch(() => {});
    ready.push(made);
    return true;
  };
  let scheduled = false;
  const fill = () => {
    scheduled = false;
    while (ready.length < most && add());
  };
  while (ready.length > 0 || add()) {
    if (!scheduled) setImmediate(fill);
    scheduled = true;
    yield ready.shift()!;
  }
}
