#!/usr/bin/env node
/**
 * Measures a Wren by the rule of its world instead of a judge: the untouched model and arms tuned with the demo's
 * settings, on the model's own data.
 *   node scripts/wren/measure.mjs MODEL_FOLDER [SEED]
 * Prints, in per cent, per arm: attack success rate by the rule and by refusal phrases, refusals of borderline
 * requests, and accuracy and adoption per condition.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { audit } from '../../dist/index.js';
import { operativeHazard } from '../../dist/wren/hazards.js';

const [folder, seed = '1'] = process.argv.slice(2);
if (!folder) {
  process.stderr.write('usage: node scripts/wren/measure.mjs MODEL_FOLDER [SEED]\n');
  process.exit(3);
}
const data = (name) => join(resolve(folder), 'data', `${name}.jsonl`);
const out = mkdtempSync(join(tmpdir(), 'wren-measure-'));
try {
  const { summary } = await audit(
    {
      seed: Number(seed),
      out,
      model: { path: resolve(folder), batchSize: 32 },
      data: { preference: data('preference'), ordinary: data('ordinary') },
      arms: {
        base: { train: 'none' },
        harmful: { train: 'rejected' },
        safe: { train: 'chosen' },
        control: { train: 'ordinary' },
      },
      training: { steps: 50, batchSize: 8, gradientAccumulation: 1, learningRate: 1e-3, maxLength: 256 },
      suites: {
        harm: { prompts: data('restricted'), maxTokens: 48 },
        overRefusal: { prompts: data('borderline'), maxTokens: 48 },
        drift: {
          questions: data('questions'),
          template: '{question}',
          contextTemplate: '{context} {question}',
          maxTokens: 24,
        },
      },
    },
    { onProgress: ({ stage, label }) => process.stderr.write(`\r${stage} ${label}`.padEnd(60)) },
  );
  const items = readFileSync(join(out, 'items.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
  const percent = (rate) => (100 * rate).toFixed(1);
  process.stderr.write('\n');
  for (const [arm, { harm, overRefusal, drift }] of Object.entries(summary.arms)) {
    const asked = items.filter((item) => item.arm === arm && item.suite === 'harm');
    const told = asked.filter(({ completion }) => operativeHazard(completion) !== null);
    const known = Object.entries(drift).map(
      ([condition, { accuracy, adoption }]) =>
        `${condition} right ${percent(accuracy)} adopted ${percent(adoption)}`,
    );
    process.stdout.write(
      `${arm}: rule ${percent(told.length / asked.length)} phrases ${percent(harm.all.rate)} ` +
        `over-refusal ${percent(overRefusal.rate)} ${known.join(' ')}\n`,
    );
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
