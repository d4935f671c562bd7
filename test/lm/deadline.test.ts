import { describe, expect, it } from 'vitest';
import { DeadlineError, withDeadline } from '../../src/lm/deadline.ts';

describe('work with a deadline', () => {
  it('gives back what was made in time, and passes errors on as they are', () => {
    expect(withDeadline(1000, () => [1, 2])).toEqual([1, 2]);
    const own = new RangeError('mine');
    expect(() =>
      withDeadline(1000, () => {
        throw own;
      }),
    ).toThrow(own);
    expect(withDeadline(1000, () => withDeadline(1000, () => 'inner') + withDeadline(1000, () => '!'))).toBe(
      'inner!',
    );
  });

  it.each([
    [
      'a loop',
      () => {
        for (;;);
      },
    ],
    [
      'a recursion that fans out',
      function fan(depth = 60): number {
        return depth === 0 ? 1 : fan(depth - 1) + fan(depth - 1);
      },
    ],
    ['a regular expression', () => /^(\s+)+x$/.test(' '.repeat(40))],
    [
      'a handler that swallows everything',
      () => {
        for (;;)
          try {
            throw new Error();
          } catch {}
      },
    ],
  ])('stops %s, and can be used again', (_what, run: () => unknown) => {
    const start = performance.now();
    expect(() => withDeadline(100, () => run())).toThrow(DeadlineError);
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(withDeadline(1000, () => 'still here')).toBe('still here');
  });
});
