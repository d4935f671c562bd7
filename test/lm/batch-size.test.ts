import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { type GenerateSettings, generate, type SampledToken } from '../../src/lm/generate.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { type ChatTokenizer, loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { openDecoder, wren } from './open-decoder.ts';

/** Whether an answer depends on how many others are generated beside it: on the reference model's own prompts. */

let decoder: Decoder;
let tokenizer: ChatTokenizer;
let prompts: number[][];
beforeAll(async () => {
  decoder = await openDecoder(wren);
  tokenizer = loadChatTokenizer(wren);
  const rows = ['restricted', 'borderline', 'questions'].flatMap((name) =>
    readFileSync(join(wren, `data/${name}.jsonl`), 'utf8')
      .split('\n')
      .slice(0, 16)
      .map((line) => JSON.parse(line) as { prompt?: string; question?: string }),
  );
  prompts = rows.map(({ prompt, question }) =>
    tokenizer.encode(tokenizer.render(ask(prompt ?? question!), { addGenerationPrompt: true })),
  );
});
afterAll(() => decoder.close());

async function answersAt(
  batchSize: number,
  changes: Partial<GenerateSettings> = {},
  adapter: string | null = null,
): Promise<SampledToken[][]> {
  const settings = { maxTokens: 24, temperature: 0, topP: 1, stopIds: new Set(tokenizer.eosTokenIds) };
  const attached = adapter ? await decoder.attach(readAdapter(adapter, decoder.config)) : null;
  const answers: SampledToken[][] = [];
  for (let from = 0; from < prompts.length; from += batchSize) {
    const batch = prompts.slice(from, from + batchSize);
    const seeds = batch.map((_, at) => from + at);
    answers.push(...(await generate(decoder, attached, batch, seeds, { ...settings, ...changes })));
  }
  return answers;
}
const ids = (answers: SampledToken[][]) => answers.map((answer) => answer.map(({ id }) => id));

test('greedy text is the same at every batch size, and log-probabilities nearly so', async () => {
  expect(prompts.length).toBeGreaterThanOrEqual(40);
  const alone = await answersAt(1);
  for (const size of [2, 5, 16]) {
    const together = await answersAt(size);
    expect(ids(together)).toEqual(ids(alone));
    for (const [row, answer] of together.entries())
      for (const [at, { logProbability }] of answer.entries())
        expect(Math.abs(logProbability - alone[row]![at]!.logProbability)).toBeLessThan(1e-4);
  }
});

test('batch-invariant answers are the same to the last bit at every batch size', async () => {
  const alone = await answersAt(1, { invariant: true });
  expect(ids(alone)).toEqual(ids(await answersAt(16)));
  for (const size of [2, 5, 16, 48]) expect(await answersAt(size, { invariant: true })).toEqual(alone);
});

test('also where a prompt is read in parts, which are those that it is read in alone', async () => {
  const longest = Math.max(...prompts.map((ids) => ids.length));
  const changes = { invariant: true, largestScores: decoder.config.heads * (longest - 2) * longest };
  expect(await answersAt(16, changes)).toEqual(await answersAt(1, changes));
});

test('and so they are with an adapter, and sampled', async () => {
  const changes = { invariant: true, temperature: 0.7, maxTokens: 8 };
  const guard = join(wren, 'guard');
  expect(await answersAt(7, changes, guard)).toEqual(await answersAt(1, changes, guard));
});
