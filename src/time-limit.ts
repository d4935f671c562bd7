/** The time for a piece of work was over before it was done. */
export class TimedOut extends Error {}

/**
 * Does work under a signal that fires with another one, or after a time with `TimedOut` as its reason. Once the work is
 * done nothing of it is left: what `AbortSignal.any` and `AbortSignal.timeout` make stays in memory for as long as the
 * other signal lives and the time lasts, which counts where a long run asks a million times.
 */
export async function withTimeLimit<T>(
  ms: number,
  other: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const end = () => ending.abort(other?.reason);
  const timer = setTimeout(() => ending.abort(new TimedOut()), ms);
  other?.addEventListener('abort', end);
  if (other?.aborted) end();
  try {
    return await work(ending.signal);
  } finally {
    clearTimeout(timer);
    other?.removeEventListener('abort', end);
  }
}
