import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ahead } from '../src/ahead.ts';

test('values come in order, prepared only as far ahead as asked, when nobody waits', async () => {
  const begun: number[] = [];
  const prepared = ahead(Array(10).keys(), 3, async (value) => {
    begun.push(value);
    return 10 * value;
  });
  expect(await prepared.next().value).toBe(0);
  expect(begun).toEqual([0]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3]);
  const rest: unknown[] = [];
  for (const value of prepared) rest.push(await value);
  expect(rest).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
});

test('a failure comes to who takes its value, and to nobody where it is not taken', async () => {
  const prepared = ahead([1, 2, 3], 2, async (value) => {
    if (value > 1) throw new Error(`no ${value}`);
    return value;
  });
  expect(await prepared.next().value).toBe(1);
  await turn();
  await expect(prepared.next().value).rejects.toThrow('no 2');
  // 3 is never taken: an unhandled rejection would fail this file.
});

test('nothing is prepared of nothing', () => {
  expect([...ahead([], 4, async () => 1)]).toEqual([]);
});
