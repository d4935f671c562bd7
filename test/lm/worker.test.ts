import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../src/lm/engine.ts';
import { startEngine } from '../../src/lm/engine-client.ts';
import { wren } from './open-decoder.ts';
import { wrenJob, wrenPrompts } from './wren-rows.ts';

/** Whether the thread that asks stays free while the engine works. */

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

/** The share of the time in which this thread could not have done anything else; who waits for others is free. */
async function busy(engine: Engine, work: (engine: Engine) => Promise<void>): Promise<number> {
  const before = performance.eventLoopUtilization();
  await work(engine);
  return performance.eventLoopUtilization(before).utilization;
}

test.each([
  ['generation', generating],
  ['training', training],
])('the asking thread is free during %s', async (_, work) => {
  const engine = startEngine();
  await work(engine);
  expect(await busy(engine, work)).toBeLessThan(0.1);
});

test('an engine without a thread of its own would not pass', async () => {
  const engine = createEngine(1);
  await generating(engine);
  expect(await busy(engine, generating)).toBeGreaterThan(0.5);
});
