import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { counted, leftovers, linesOf, start, timed } from './killed-run.ts';
import { concurrency, items, keptKeys, openWorld, writeWorld } from './killed-world.ts';

/** Runs that are killed again and again lose nothing, ask nothing twice that was kept, and end in the same bytes. */

const kills = Number(process.env.KILLS ?? 200);
const seed = process.env.KILL_SEED ?? '1';
/** Where each life ended; every one of them must have been hit when there are kills enough. */
const phases = [
  ...[
    'starting',
    'openings',
    'harm',
    'refusal margin',
    'over-refusal',
    'drift',
    'semantic-entropy',
    'utility',
  ],
  ...['judged harm', 'summarising', 'reporting'],
];
const summaryOf = (folder: string) => readFileSync(join(folder, 'run/summary.json'), 'utf8');

test(`${items} items behind servers, killed ${kills} times`, { timeout: 1_800_000 }, async () => {
  const world = await openWorld();
  const { counts } = world;
  try {
    const [whole, folder] = [temporaryFolder(), temporaryFolder()];
    for (const each of [whole, folder]) writeWorld(each, world);
    const began = performance.now();
    let startMs = 0;
    world.onAsked = () => (startMs ||= performance.now() - began);
    const reference = await timed(start(whole, ['run', 'config.yaml']));
    expect([0, 2, 4], reference.said).toContain(reference.code);
    expect(linesOf(join(whole, 'run/items.jsonl'))).toHaveLength(items);
    const asked = [...counts.keys()].sort();
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
    expect(new Set(keptKeys(whole))).toEqual(new Set(asked));
    counts.clear();

    const [kept, twice, hit] = [new Set<string>(), [] as string[], [] as string[]];
    const random = createRandom('kills', seed);
    const perLife = asked.length / (0.8 * kills);
    let { resultsMs } = reference;
    let finished = 0;
    while (hit.length < kills) {
      const signal = random.next() < 0.5 ? 'SIGKILL' : 'SIGTERM';
      const life = start(folder, ['run', 'config.yaml']);
      let timer: NodeJS.Timeout | undefined;
      const killIn = (ms: number) =>
        (timer ??= setTimeout(() => life.child.kill(signal), random.next() * ms));
      // Most die as soon as they have asked a few things, so that asking lasts; then, between the last verdict and the end.
      let left = 1 + random.integer(Math.ceil(2 * perLife));
      world.onAsked = (key) => {
        if (kept.has(key)) twice.push(key);
        if (--left === 0) killIn(20);
      };
      if (random.next() < 0.1) killIn(startMs);
      void life.judged.then(() => killIn(random.next() < 0.5 ? resultsMs : resultsMs / 8));
      const { code, signal: by, said, phase, ...took } = await timed(life);
      clearTimeout(timer);
      if (by === signal || code === 130) hit.push(phase);
      else {
        expect([0, 2, 4], said).toContain(code);
        resultsMs = took.resultsMs;
        finished++;
      }
      for (const key of keptKeys(folder)) kept.add(key);
    }
    world.onAsked = (key) => void (kept.has(key) && twice.push(key));
    const last = await start(folder, ['run', 'config.yaml']).ended;
    const repeats = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
    const seconds = (ms: number) => Math.round(ms / 1000);
    console.log(
      `${hit.length} kills in ${seconds(performance.now() - began)} s (a whole run takes ${seconds(reference.wholeMs)}): ${counted(hit)}; ${finished} runs to the end between them, ${repeats} questions repeated`,
    );
    expect(last.code, last.said).toBe(reference.code);
    expect(summaryOf(folder)).toBe(summaryOf(whole));
    expect(twice).toEqual([]);
    expect([...counts.keys()].sort()).toEqual(asked);
    const keys = keptKeys(folder);
    expect([keys.length, new Set(keys).size]).toEqual([asked.length, asked.length]);
    expect(repeats).toBeLessThanOrEqual(kills * concurrency);
    if (kills >= 100) expect(phases.filter((phase) => !hit.includes(phase))).toEqual([]);
    expect(leftovers(folder)).toEqual([]);
    expect(existsSync(join(folder, 'run/done.json'))).toBe(true);
  } finally {
    world.close();
  }
});
