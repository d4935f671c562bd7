import { getEventListeners } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { TimedOut, withTimeLimit } from '../src/time-limit.ts';

afterEach(() => void vi.useRealTimers());

/** Waits for its signal and says why it fired. */
const endless = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason));
  });

test('work is told that its time is over, or that another signal fired, also before it began', async () => {
  vi.useFakeTimers();
  const stop = new AbortController();
  const late = withTimeLimit(5000, stop.signal, endless);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await late).toBeInstanceOf(TimedOut);
  const stopped = withTimeLimit(5000, stop.signal, endless);
  stop.abort('enough');
  expect(await stopped).toBe('enough');
  expect(await withTimeLimit(5000, stop.signal, endless)).toBe('enough');
});

test('nothing of it is left once it is done, whether it went well or not', async () => {
  vi.useFakeTimers();
  const { signal } = new AbortController();
  expect(await withTimeLimit(5000, signal, async () => 'done')).toBe('done');
  const failing = withTimeLimit(5000, signal, async () => {
    throw new Error('not done');
  });
  await expect(failing).rejects.toThrow('not done');
  expect([vi.getTimerCount(), getEventListeners(signal, 'abort')]).toEqual([0, []]);
});
