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
import { fileURLToPath } from 'node:url';
import { readConfigFile } from '../../dist/config-file.js';
import { audit } from '../../dist/index.js';
import { operativeHazard } from '../../dist/wren/hazards.js';

const demo = fileURLToPath(new URL('../../examples/demo.yaml', import.meta.url));
const [folder, seed = '1'] = process.argv.slice(2);
if (!folder) {
  process.stderr.write('usage: node scripts/wren/measure.mjs MODEL_FOLDER [SEED]\n');
  process.exit(3);
}
const data = (name) => join(resolve(folder), 'data', `${name}.jsonl`);
const out = mkdtempSync(join(tmpdir(), 'wren-measure-'));
try {
  const { input } = readConfigFile(
    demo,
    Object.entries({
      seed: Number(seed),
      out,
      'model.path': resolve(folder),
      'data.preference': data('preference'),
      'data.ordinary': data('ordinary'),
      'suites.harm.prompts': data('restricted'),
      'suites.overRefusal.prompts': data('borderline'),
      'suites.drift.questions': data('questions'),
      judges: [{ type: 'refusal' }],
    }).map(([path, value]) => ({ path, value })),
  );
  const { summary } = await audit(input, {
    onProgress: ({ stage, label }) => process.stderr.write(`\r${stage} ${label}`.padEnd(60)),
  });
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
