#!/usr/bin/env node
/**
 * What sharing a common beginning saves, how far log-probabilities differ between batch sizes, and what
 * batch-invariant answers cost, on a checkpoint (Wren unless --model names another) and Wren's questions.
 *   npm run setup && node bench/generation.mjs [--model DIR] [--system TOKENS] [--tokens N]
 * Variants take turns, three times each; medians. Another busy process slows all of them down.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const load = (name) => import(new URL(`../dist/lm/${name}.js`, import.meta.url));
const wren = new URL('../models/wren/', import.meta.url);
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(wren) },
    system: { type: 'string', default: '300' },
    tokens: { type: 'string', default: '32' },
  },
});
const [{ readDecoderConfig }, { openCheckpoint }, { createDecoder }, { loadChatTokenizer }, { generate }] =
  await Promise.all(['config', 'checkpoint', 'decoder', 'tokenizer', 'generate'].map(load));

const config = readDecoderConfig(values.model);
const checkpoint = openCheckpoint(values.model, config);
const weights = new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)]));
const decoder = await createDecoder(config, weights, availableParallelism());
const tokenizer = loadChatTokenizer(values.model);
const questions = readFileSync(new URL('data/questions.jsonl', wren), 'utf8')
  .split('\n')
  .slice(0, 48)
  .map((line) => JSON.parse(line).question);

function promptsUnder(system) {
  const before = system ? [{ role: 'system', content: system }] : [];
  return questions.map((content) =>
    tokenizer.encode(tokenizer.render([...before, { role: 'user', content }], { addGenerationPrompt: true })),
  );
}

async function run(prompts, batchSize, settings) {
  const start = performance.now();
  const answers = [];
  for (let from = 0; from < prompts.length; from += batchSize) {
    const batch = prompts.slice(from, from + batchSize);
    const seeds = batch.map(() => 0);
    const given = { temperature: 0, topP: 1, stopIds: new Set(tokenizer.eosTokenIds), ...settings };
    answers.push(...(await generate(decoder, null, batch, seeds, given)));
  }
  return { answers, seconds: (performance.now() - start) / 1000 };
}

/** Up to the first token that differs. */
function difference(a, b) {
  const result = { rows: a.length, sameText: 0, tokens: 0, differing: 0, sampled: 0, top10: 0 };
  for (const [row, answer] of a.entries()) {
    const at = answer.findIndex(({ id }, index) => id !== b[row][index]?.id);
    if (at < 0) result.sameText++;
    for (const [index, token] of answer.slice(0, at < 0 ? undefined : at).entries()) {
      const other = b[row][index];
      const sampled = Math.abs(token.logProbability - other.logProbability);
      result.tokens++;
      if (sampled > 0) result.differing++;
      result.sampled = Math.max(result.sampled, sampled);
      for (const [rank, value] of token.topLogProbabilities.entries())
        result.top10 = Math.max(result.top10, Math.abs(value - other.topLogProbabilities[rank]));
    }
  }
  return result;
}

/** Runs variants in turn; seconds are medians of three. */
async function compare(variants) {
  const times = variants.map(() => []);
  const answers = [];
  for (let round = 0; round < 3; round++) {
    for (const [index, variant] of variants.entries()) {
      const { answers: own, seconds } = await variant();
      times[index].push(seconds);
      answers[index] = own;
    }
  }
  return { seconds: times.map((all) => all.sort((a, b) => a - b)[1]), answers };
}
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const sentence = 'Answer in one short sentence, and say so when you do not know something about the valley. ';
const system = sentence.repeat(Math.ceil(Number(values.system) / tokenizer.encode(sentence).length));
const long = promptsUnder(system).slice(0, 16);
await run(long, 16, { maxTokens: 1 });
for (const maxTokens of [1, Number(values.tokens)]) {
  const variant = (shortestShared) => () => run(long, 16, { maxTokens, shortestShared, stopIds: new Set() });
  const { seconds, answers } = await compare([variant(Infinity), variant(32)]);
  const promptTokens = Math.max(...long.map((ids) => ids.length));
  print({
    what: 'shared beginning',
    promptTokens,
    maxTokens,
    wholeSeconds: seconds[0],
    sharedSeconds: seconds[1],
    ...difference(...answers),
  });
}

const short = promptsUnder('');
const maxTokens = Number(values.tokens);
const alone = await run(short, 1, { maxTokens });
for (const batchSize of [2, 5, 16, 48]) {
  const { answers } = await run(short, batchSize, { maxTokens });
  print({ what: 'batch size', batchSize, ...difference(alone.answers, answers) });
}
const invariantAlone = await run(short, 1, { maxTokens, invariant: true });
for (const batchSize of [5, 16, 48]) {
  const { seconds, answers } = await compare([
    () => run(short, batchSize, { maxTokens }),
    () => run(short, batchSize, { maxTokens, invariant: true }),
  ]);
  const { differing, top10 } = difference(invariantAlone.answers, answers[1]);
  print({
    what: 'invariant',
    batchSize,
    plainSeconds: seconds[0],
    invariantSeconds: seconds[1],
    differing,
    top10,
  });
}
