import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttachedAdapter, Decoder } from '../../src/lm/decoder.ts';
import { generate, type RowSettings } from '../../src/lm/generate.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { createScheduler, type Scheduler, type StreamRequest } from '../../src/lm/scheduler.ts';
import { openDecoder, parity, watch } from './open-decoder.ts';

const settings: RowSettings = { maxTokens: 12, temperature: 0, topP: 1, stopIds: new Set() };
const prompts = Array.from({ length: 11 }, (_, row) =>
  Array.from({ length: 1 + ((row * 7) % 23) }, (_, i) => 3 + ((i * 31 + row * 67) % 250)),
);
let decoder: Decoder;
let adapter: AttachedAdapter;
beforeAll(async () => {
  decoder = await openDecoder(`${parity}tied`);
  adapter = await decoder.attach(readAdapter(`${parity}adapter`, decoder.config));
});
afterAll(() => decoder.close());

const request = (row: number, changes: Partial<StreamRequest> = {}): StreamRequest => ({
  adapter: null,
  ids: prompts[row]!,
  seed: row,
  settings,
  ...changes,
});
async function idsOf(scheduler: Scheduler, asked: StreamRequest): Promise<number[]> {
  const ids: number[] = [];
  for await (const { id } of scheduler.stream(asked)) ids.push(id);
  return ids;
}
/** The same prompts as one planned batch. */
const planned = async (
  rows: number[],
  of: AttachedAdapter | null = null,
  changes: Partial<RowSettings> = {},
) =>
  (
    await generate(
      decoder,
      of,
      rows.map((row) => prompts[row]!),
      rows,
      { ...settings, ...changes },
    )
  ).map((answer) => answer.map(({ id }) => id));
const all = [...prompts.keys()];

test('greedy tokens are those of planned batches, with fewer places than requests', async () => {
  const { watched, seen } = watch(decoder);
  const scheduler = createScheduler(watched, 3);
  // Lengths that differ, so that places are refilled one by one.
  const asked = all.map((row) =>
    request(row, { settings: { ...settings, maxTokens: 3 + ((row * 5) % 10) } }),
  );
  const answers = await Promise.all(asked.map((one) => idsOf(scheduler, one)));
  const whole = await planned(all);
  expect(answers).toEqual(all.map((row) => whole[row]!.slice(0, 3 + ((row * 5) % 10))));
  const longest = Math.max(...prompts.map(({ length }) => length));
  // Three rows at most: one token each, or prompts being read.
  expect(seen.largestScores).toBeLessThanOrEqual(3 * decoder.config.heads * longest ** 2);
});

test('a request that comes in the middle is served at once, beside the others', async () => {
  const scheduler = createScheduler(decoder, 4);
  const order: string[] = [];
  const early = scheduler.stream(request(1, { settings: { ...settings, maxTokens: 40 } }));
  let late: Promise<number[]> | null = null;
  const seen: number[] = [];
  for await (const { id } of early) {
    seen.push(id);
    if (seen.length === 5) late = idsOf(scheduler, request(2)).finally(() => order.push('late'));
  }
  order.push('early');
  expect(await late).toEqual((await planned([2]))[0]);
  expect(order).toEqual(['late', 'early']);
  expect(seen).toEqual((await planned([1], null, { maxTokens: 40 }))[0]);
});

test('requests with other adapters take turns', async () => {
  const scheduler = createScheduler(decoder, 4);
  const answers = await Promise.all(
    all.map((row) => idsOf(scheduler, request(row, { adapter: row % 2 ? adapter : null }))),
  );
  const [plain, tuned] = [await planned(all), await planned(all, adapter)];
  expect(answers).toEqual(all.map((row) => (row % 2 ? tuned : plain)[row]));
});

test('every request has its own settings', async () => {
  const scheduler = createScheduler(decoder, 8);
  const sampled = { temperature: 1.2, topK: 20, topLogProbabilities: 3 };
  const [greedy, drawn] = await Promise.all([
    idsOf(scheduler, request(3)),
    idsOf(scheduler, request(4, { settings: { ...settings, ...sampled } })),
  ]);
  expect(greedy).toEqual((await planned([3]))[0]);
  expect(drawn).toEqual((await planned([4], null, sampled))[0]);
  for await (const token of scheduler.stream(request(4, { settings: { ...settings, ...sampled } })))
    expect(token.topLogProbabilities.length).toBe(3);
});

test('whoever leaves, by the loop or by a signal, does not disturb the others', async () => {
  const scheduler = createScheduler(decoder, 3);
  const controller = new AbortController();
  const leaves = async () => {
    for await (const _ of scheduler.stream(request(5))) break;
  };
  const refused = (asked: StreamRequest) =>
    expect(idsOf(scheduler, asked)).rejects.toMatchObject({ code: 'interrupted' });
  const aborted = refused(request(6, { signal: controller.signal }));
  const never = refused(request(7, { signal: AbortSignal.abort() }));
  const others = [0, 1, 2, 3].map((row) => idsOf(scheduler, request(row)));
  const left = leaves();
  for (let i = 0; i < 4; i++) await setImmediate();
  controller.abort();
  await Promise.all([aborted, never, left]);
  expect(await Promise.all(others)).toEqual(await planned([0, 1, 2, 3]));
});

test('an error reaches those it concerns, and the next request is served', async () => {
  let broken = true;
  const failing: Decoder = {
    ...decoder,
    layer: (index, x, batch, given, past) =>
      broken && given
        ? Promise.reject(new Error('out of memory'))
        : decoder.layer(index, x, batch, given, past),
  };
  const scheduler = createScheduler(failing, 4);
  const [bad, good] = [idsOf(scheduler, request(1, { adapter })), idsOf(scheduler, request(1))];
  await expect(bad).rejects.toThrow('out of memory');
  expect(await good).toEqual((await planned([1]))[0]);
  broken = false;
  expect(await idsOf(scheduler, request(1, { adapter }))).toEqual((await planned([1], adapter))[0]);
});

test('batch-invariant answers are the same to the last bit whatever else is asked', async () => {
  const tokensOf = async (scheduler: Scheduler, row: number, invariant: boolean) => {
    const tokens = [];
    for await (const token of scheduler.stream(request(row, { invariant }))) tokens.push(token);
    return tokens;
  };
  const alone = await generate(decoder, null, [prompts[8]!], [8], { ...settings, invariant: true });
  const scheduler = createScheduler(decoder, 32);
  const [beside] = await Promise.all([
    tokensOf(scheduler, 8, true),
    ...all.map((row) => tokensOf(scheduler, row, row % 3 > 0)),
  ]);
  expect(beside).toEqual(alone[0]);
});
