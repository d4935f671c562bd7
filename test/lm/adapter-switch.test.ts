import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import { createEngine, type Engine } from '../../src/lm/engine.ts';
import type { Decoding } from '../../src/model.ts';
import { projections } from '../../src/trainer.ts';
import { wren } from './open-decoder.ts';
import { wrenJob, wrenPrompts } from './wren-rows.ts';

/** Several adapters on one base in memory, chosen per request: of different ranks, and none. */

const decoding: Decoding = { maxTokens: 16, temperature: 0, topP: 1, seed: 1 };
const prompts = wrenPrompts(4);
const folder = mkdtempSync(join(tmpdir(), 'switch-'));
let engine: Engine;
let adapters: (string | null)[];
let handles: number[];
let grown: number[];
beforeAll(async () => {
  engine = createEngine(1);
  const train = async (r: number) => {
    const lora = { r, alpha: 2 * r, targetModules: projections };
    return (await engine.train(wrenJob(join(folder, `rank-${r}`), { lora, seed: r }), () => {})).directory;
  };
  adapters = [await train(3), await train(8), null];
  handles = [];
  grown = [];
  for (const adapter of adapters) {
    const before = process.memoryUsage().arrayBuffers;
    handles.push((await engine.open(wren, adapter)).handle);
    grown.push(process.memoryUsage().arrayBuffers - before);
  }
});
afterAll(async () => {
  for (const handle of handles) await engine.close(handle);
  rmSync(folder, { recursive: true });
});

test('each gives its own tokens, whichever was asked before', async () => {
  const alone = await Promise.all(
    adapters.map(async (adapter) => {
      const own = createEngine(1);
      const { handle } = await own.open(wren, adapter);
      return own.generate(handle, prompts, decoding);
    }),
  );
  const texts = (answers: { text: string }[]) => answers.map(({ text }) => text);
  for (const turn of [0, 1, 2, 1, 0, 2, 0])
    expect(await engine.generate(handles[turn]!, prompts, decoding)).toEqual(alone[turn]);
  expect(new Set(alone.map((answers) => texts(answers).join('\n'))).size).toBe(3);
});

test('the base is in memory once', () => {
  // bfloat16 on the disk, float32 here.
  const bytes = 2 * statSync(join(wren, 'model.safetensors')).size;
  for (const growth of grown) expect(growth).toBeLessThan(bytes / 2);
});

test('switching takes less than a millisecond', async () => {
  const shortest = [{ messages: ask('Yes?'), seed: 0 }];
  const once = async (turn: number) => {
    const start = performance.now();
    await engine.generate(handles[turn]!, shortest, { ...decoding, maxTokens: 1 });
    return performance.now() - start;
  };
  const fastest = [0, 1, 2].map(() => ({ again: Infinity, switched: Infinity }));
  const cost = () => Math.max(...fastest.map(({ again, switched }) => switched - again));
  // Fastest of many, since the machine may be busy; 0 0 1 1 2 2 0 …: each follows itself as often as another.
  for (let i = 0; i < 1200 && (i < 240 || cost() > 0.5); i++) {
    const turn = Math.floor(i / 2) % 3;
    const kind = i % 2 ? 'again' : 'switched';
    fastest[turn]![kind] = Math.min(fastest[turn]![kind], await once(turn));
  }
  expect(cost()).toBeLessThan(1);
});
