import { expect, test } from 'vitest';
import { retryAfterMs } from '../../../src/models/openai/pause.ts';

const http = (ms: number) => new Date(ms).toUTCString();

test.each([
  [{ 'retry-after': '2' }, 2000],
  [{ 'retry-after': '0.25' }, 250],
  [{ 'retry-after': 'soon' }, 0],
  [{}, 0],
])('%j is a pause of %i ms', (headers, ms) => {
  expect(retryAfterMs(new Headers(headers as Record<string, string>))).toBe(ms);
});

test('a date is read by the server’s clock, not by ours, where it tells its own', () => {
  for (const days of [-1, 0, 1]) {
    const server = Date.now() + days * 86_400_000;
    const headers = new Headers({ date: http(server), 'retry-after': http(server + 3000) });
    expect(retryAfterMs(headers)).toBe(3000);
  }
  const alone = retryAfterMs(new Headers({ 'retry-after': http(Date.now() + 10_000) }));
  expect(alone).toBeGreaterThan(8000);
  expect(alone).toBeLessThanOrEqual(10_000);
});
