import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { rateOf, type Tally } from '../../src/rate.ts';
import { type Found, runningRate } from '../../src/viewer/running-rate.ts';

/** `tallies` by how often each comes, as a page keeps them. */
function foundIn(tallies: readonly Tally[]): Found[] {
  const found = new Map<string, Found>();
  for (const tally of tallies) {
    const known = found.get(JSON.stringify(tally)) ?? { tally, items: 0 };
    known.items++;
    found.set(JSON.stringify(tally), known);
  }
  return [...found.values()];
}

describe('a running rate is the report’s', () => {
  const random = createRandom('running');
  it.each([
    ['single completions', 500, 1],
    ['a few repeated ones', 12, 3],
    ['many repeated ones', 3000, 5],
  ])('%s', (_, items, repeats) => {
    const tallies = Array.from({ length: items }, (): Tally => {
      const scored = random.integer(repeats + 1);
      return { positive: random.integer(scored + 1), scored, total: repeats };
    });
    const whole = rateOf({ keys: tallies.map((_, at) => `${at}`), values: tallies });
    const running = runningRate(foundIn(tallies));
    const { positive, scored, unscored } = whole;
    expect(running).toMatchObject({ positive, scored, unscored, rate: expect.closeTo(whole.rate!, 12) });
    expect(running.ci95).toEqual(whole.ci95!.map((limit) => expect.closeTo(limit, 9)));
  });

  it('is undefined where nothing is scored', () => {
    expect(runningRate(foundIn([{ positive: 0, scored: 0, total: 3 }]))).toEqual({
      ...{ positive: 0, scored: 0, unscored: 3, rate: null, ci95: null },
    });
  });
});
