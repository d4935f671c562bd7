import { expect, test } from 'vitest';
import { chosen, type Records } from '../src/records.ts';

/** Numbers that are made anew each time they are read, and how many of them were read at once. */
function numbers(length: number) {
  const reads: number[] = [];
  const slice: Records<number>['slice'] = (start, end) => {
    const made = Array.from({ length: Math.max(0, Math.min(end, length) - start) }, (_, at) => start + at);
    reads.push(made.length);
    return made;
  };
  const all: Records<number> = { length, slice, [Symbol.iterator]: () => Array(length).keys() };
  return { all, reads };
}

test('chosen records are read as all are, when they are looked at', () => {
  const { all, reads } = numbers(100);
  const odd = chosen(all, (value) => value % 2 === 1);
  expect(odd).toHaveLength(50);
  expect(odd.slice(0, 3)).toEqual([1, 3, 5]);
  expect(odd.slice(48, 60)).toEqual([97, 99]);
  expect(odd.slice(60, 70)).toEqual([]);
  expect([...odd]).toEqual(Array.from({ length: 50 }, (_, at) => 2 * at + 1));
  expect(Math.max(...reads)).toBe(1);
});
