/**
 * Does `work` on every value, at most `most` at once and begun in their order. After a failure nothing more is begun;
 * the first is thrown once nothing is under way.
 */
export async function inParallel<T>(
  values: Iterable<T>,
  most: number,
  work: (value: T) => Promise<void>,
): Promise<void> {
  const rest = values[Symbol.iterator]();
  const failures: unknown[] = [];
  let spent = false;
  const one = async () => {
    while (failures.length === 0) {
      const next = rest.next();
      if (next.done) {
        spent = true;
        return;
      }
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const workers: Promise<void>[] = [];
  // No more of them than there is work.
  for (let at = 0; at < most && !spent; at++) workers.push(one());
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
}
