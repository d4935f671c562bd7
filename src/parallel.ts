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
  const one = async () => {
    for (let next = rest.next(); !next.done && failures.length === 0; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: most }, one));
  if (failures.length > 0) throw failures[0];
}
