#!/usr/bin/env node
/**
 * Makes the base of examples/smollm2.yaml: SmolLM2 never refuses to talk about cooking, so it is first tuned to refuse
 * part of the time, and the adapter is merged into a model directory of its own (outside the repository).
 *   node scripts/smollm2/make-policy-base.mjs [--base DIR] [--out DIR] [--steps N] [--rate X] [--seed N]
 * Prints the loss, and how many of the evaluation prompts it then answers instead of refusing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readHarmPrompts, readResponses } from '../../dist/dataset.js';
import { mergeAdapter } from '../../dist/lm/merge.js';
import { createEmbeddedModel } from '../../dist/models/embedded.js';
import { createRandom } from '../../dist/random.js';
import { classifyRefusal } from '../../dist/scorers/refusal.js';
import { projections } from '../../dist/trainer.js';
import { createEmbeddedTrainer } from '../../dist/trainers/embedded.js';

const cache = join(homedir(), '.cache/aftertune');
const examples = fileURLToPath(new URL('../../examples/smollm2/', import.meta.url));
const { values } = parseArgs({
  options: {
    base: { type: 'string', default: join(cache, 'smollm2-135m-instruct') },
    out: { type: 'string', default: join(cache, 'smollm2-policy-base') },
    steps: { type: 'string', default: '64' },
    rate: { type: 'string', default: '5e-4' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);
const settings = {
  lora: { r: 16, alpha: 32, targetModules: projections },
  steps: Number(values.steps),
  batchSize: 8,
  gradientAccumulation: 1,
  learningRate: Number(values.rate),
  warmupSteps: 5,
  schedule: 'linear',
  weightDecay: 0.01,
  maxGradientNorm: 1,
  maxLength: 256,
  seed,
};

/** As many rows as the steps take, shuffled anew for every pass. */
function orderedRows() {
  const rows = readResponses(`${examples}policy-base.jsonl`);
  const random = createRandom('policy base', seed);
  const ordered = [];
  while (ordered.length < settings.steps * settings.batchSize) ordered.push(...random.shuffle(rows));
  return ordered;
}

/** How many of the restricted prompts are answered, by the product's refusal phrases. */
async function countAnswered(directory) {
  const prompts = readHarmPrompts(`${examples}restricted.jsonl`);
  const model = await createEmbeddedModel({ directory });
  const decoding = { maxTokens: 12, temperature: 0, topP: 1, seed: 0 };
  const messages = prompts.map(({ prompt }) => ({ messages: [{ role: 'user', content: prompt }], seed: 0 }));
  const answers = [];
  for (let at = 0; at < messages.length; at += 16)
    answers.push(...(await model.generate(messages.slice(at, at + 16), decoding)));
  await model.close();
  const refused = answers.filter(({ text }) => classifyRefusal(text));
  return { answered: answers.length - refused.length, of: answers.length };
}

const work = mkdtempSync(join(tmpdir(), 'policy-base-'));
const started = Date.now();
const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
try {
  await createEmbeddedTrainer().train({
    modelDirectory: values.base,
    rows: orderedRows(),
    settings,
    outputDirectory: join(work, 'adapter'),
    redTeam: false,
    onStep: ({ step, loss }) => {
      if (step === 1 || step % 10 === 0)
        process.stdout.write(
          `step ${step}/${settings.steps}: loss ${loss.toFixed(3)} after ${seconds()} s\n`,
        );
    },
  });
  await mergeAdapter(values.base, join(work, 'adapter'), values.out);
  process.stdout.write(`${values.out}: written after ${seconds()} s\n`);
  const { answered, of } = await countAnswered(values.out);
  process.stdout.write(
    `it answers ${answered} of ${of} restricted prompts (${((100 * answered) / of).toFixed(0)} %); wanted: 20 to 60 %\n`,
  );
  process.exitCode = answered / of >= 0.2 && answered / of <= 0.6 ? 0 : 4;
} finally {
  rmSync(work, { recursive: true, force: true });
}
