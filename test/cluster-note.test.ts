import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createBatching } from '../bench/cluster/batching.mjs';
import { idealGrid } from '../bench/cluster/plan.mjs';
import { clusterNote } from '../bench/cluster/report.mjs';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const results = JSON.parse(read('bench/results/cluster.json'));

describe('docs/cluster.md', () => {
  it('has the tables that its results make', () => {
    const note = read('docs/cluster.md');
    expect(clusterNote(note, results)).toBe(note);
  });

  it('rests on a simulation that gives the same again', () => {
    const a100 = { a100: results.profiles.a100 };
    const before = results.ideal.filter(({ profile }: { profile: string }) => profile === 'a100');
    expect(idealGrid(results.plan, a100)).toEqual(before);
  });

  it('is of a client that is never faster than the ideal one', () => {
    expect(results.measured.length).toBeGreaterThan(3);
    for (const { seconds, idealSeconds } of results.measured)
      expect(seconds / idealSeconds).toBeGreaterThan(0.95);
  });
});

describe('continuous batching', () => {
  const gpu = { stepMs: 10, perSequenceMs: 1, readPerSecond: 1000 };
  const limits = { maxSequences: 2, maxBatchedTokens: 64 };
  const finished = (batching: ReturnType<typeof createBatching>, until: number) => {
    const names: (string | undefined)[] = [];
    batching.advance(until, ({ name }) => names.push(name));
    return names;
  };

  it('takes a + b·n a step, and the prompt’s time beside it', () => {
    const batching = createBatching(gpu, limits);
    batching.ask(5, { read: 20, written: 3, name: 'one' });
    // 11 ms and 20 ms for the prompt, then two steps of 11 ms.
    expect(finished(batching, 5.052)).toEqual([]);
    expect(finished(batching, 5.0531)).toEqual(['one']);
    expect(batching.idle).toBe(true);
    expect(batching.totals).toMatchObject({ steps: 3, read: 20, written: 3 });
    expect(batching.totals.busy).toBeCloseTo(0.053, 9);
  });

  it('lets no more in than there is room for, in the order they came', () => {
    const batching = createBatching(gpu, limits);
    for (const name of ['a', 'b', 'c']) batching.ask(0, { read: 1, written: 2, name });
    expect(finished(batching, 0.03)).toEqual(['a', 'b']);
    expect(finished(batching, 1)).toEqual(['c']);
  });

  it('reads a long prompt in parts while others go on writing', () => {
    const batching = createBatching(gpu, limits);
    batching.ask(0, { read: 1, written: 4, name: 'short' });
    finished(batching, 0.001);
    batching.ask(0.001, { read: 150, written: 1, name: 'long' });
    finished(batching, 10);
    // Two parts of 63 beside the short one's token, then the rest with the first token.
    expect(batching.totals).toMatchObject({ steps: 4, read: 151, written: 5 });
  });
});
