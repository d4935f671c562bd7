import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../src/lm/engine.ts';
import { startEngine } from '../../src/lm/engine-client.ts';
import { wren } from './open-decoder.ts';
import { wrenJob, wrenPrompts } from './wren-rows.ts';

/** Whether the thread that asks stays free while the engine works. */

const limit = 20;
const resolution = 5;
const prompts = wrenPrompts(48);
const folder = mkdtempSync(join(tmpdir(), 'worker-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function generating(engine: Engine): Promise<void> {
  const { handle } = await engine.open(wren, null);
  for (let i = 0; i < 3; i++)
    await engine.generate(handle, prompts, { maxTokens: 48, temperature: 0, topP: 1, seed: 1 });
  await engine.close(handle);
}

let trained = 0;
async function training(engine: Engine): Promise<void> {
  await engine.train(wrenJob(join(folder, `adapter-${trained++}`), { steps: 16 }), () => {});
}

/** The 99th percentile of how late this thread's timers are, ms: the best of up to three tries, since the machine may be busy with others. */
async function delay(engine: Engine, work: (engine: Engine) => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 3 && best > limit; i++) {
    const histogram = monitorEventLoopDelay({ resolution });
    histogram.enable();
    await work(engine);
    histogram.disable();
    best = Math.min(best, histogram.percentile(99) / 1e6 - resolution);
  }
  return best;
}

test.each([
  ['generation', generating],
  ['training', training],
])(`timers of the asking thread are at most ${limit} ms late during %s`, async (_, work) => {
  const engine = startEngine();
  await work(engine);
  expect(await delay(engine, work)).toBeLessThan(limit);
});

test('an engine without a thread of its own would not pass', async () => {
  const engine = createEngine(1);
  await generating(engine);
  expect(await delay(engine, generating)).toBeGreaterThan(limit);
});
