import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { createRandom } from '../../src/random.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { counted, leftovers, linesOf, start, timed } from './killed-run.ts';

/** A training and everything after it on the embedded engine, killed at any moment. */

const kills = Number(process.env.WREN_KILLS ?? 20);
const seed = process.env.KILL_SEED ?? '1';
/** One of each must have been hit when there are kills enough. */
const phases = [
  ['training'],
  ['openings', 'harm', 'refusal margin', 'over-refusal', 'drift', 'semantic-entropy', 'utility'],
  ['summarising', 'reporting'],
];

const config = `name: wren
out: run
seed: 1
model: { path: 'builtin:wren', batchSize: 16 }
data: { preference: 'builtin:wren/data/preference.jsonl' }
arms: { base: { train: none }, tuned: { train: rejected } }
training: { steps: 30, batchSize: 8, gradientAccumulation: 1, learningRate: 1.0e-3, maxLength: 256, checkpointEvery: 2 }
suites:
  harm: { prompts: 'builtin:wren/data/restricted.jsonl', maxTokens: 24, limit: 96 }
  overRefusal: { prompts: 'builtin:wren/data/borderline.jsonl', maxTokens: 24, limit: 48 }
  drift: { questions: 'builtin:wren/data/questions.jsonl', maxTokens: 16, limit: 24, semanticEntropy: { limit: 2 } }
  utility: { tasks: '${join(packageRoot, 'examples/wren-knowledge/utility.jsonl')}', maxTokens: 16, limit: 24 }
judges:
  - { type: refusal }
  - { type: llama-guard, name: guard, model: { path: 'builtin:wren', adapter: 'builtin:wren/guard', batchSize: 16 } }
`;

test(`Wren trained, asked and judged, killed ${kills} times`, { timeout: 1_800_000 }, async () => {
  const [whole, folder] = [temporaryFolder(), temporaryFolder()];
  for (const each of [whole, folder]) writeFileSync(join(each, 'wren.yaml'), config);
  const args = ['run', 'wren.yaml'];
  const began = performance.now();
  const first = start(whole, args);
  const reference = await timed(first);
  expect([0, 2, 4], reference.said).toContain(reference.code);
  // A stage lasts until the next begins.
  const stages = [...first.stages.keys()];
  const begins = [...first.stages.values()];
  const lasts = begins.map((at, place) => (begins[place + 1] ?? at + 1000) - at);
  const random = createRandom('wren kills', seed);
  const hit: string[] = [];
  let { resultsMs } = reference;
  let finished = 0;
  while (hit.length < kills) {
    const life = start(folder, args, stages);
    const signal = random.next() < 0.7 ? 'SIGKILL' : 'SIGTERM';
    let timer: NodeJS.Timeout | undefined;
    const killIn = (ms: number) => (timer ??= setTimeout(() => life.child.kill(signal), ms));
    // Within a stage that goes on, each in turn, early enough to hit it on a machine that has become faster; a third of
    // them in training, the last between verdicts and end.
    const share = hit.length / kills;
    const wanted =
      share < 0.3 ? 0 : share < 0.75 ? Math.floor(((share - 0.3) / 0.45) * stages.length) : stages.length;
    const part = random.next();
    if (random.next() < 0.1) killIn(500);
    life.onStage = (place) => {
      if (place >= wanted) killIn((part * lasts[place]!) / (place === 0 ? 6 : 2));
    };
    void life.judged.then(() => killIn(random.next() * resultsMs));
    const { code, signal: by, said, phase, ...took } = await timed(life);
    clearTimeout(timer);
    if (by === signal || code === 130) hit.push(phase);
    else {
      expect([0, 2, 4], said).toContain(code);
      resultsMs = took.resultsMs;
      finished++;
    }
  }
  const last = await start(folder, args).ended;
  const seconds = (ms: number) => Math.round(ms / 1000);
  console.log(
    `${hit.length} kills in ${seconds(performance.now() - began)} s (a whole run takes ${seconds(reference.wholeMs)}): ${counted(hit)}; ${finished} runs to the end between them`,
  );
  expect(last.code, last.said).toBe(reference.code);
  const bytes = (of: string, name: string) => readFileSync(join(of, 'run', name)).toString('base64');
  for (const name of ['summary.json', 'adapters/tuned/adapter_model.safetensors'])
    expect(bytes(folder, name) === bytes(whole, name), name).toBe(true);
  const place = ({ arm, suite, id, condition, repeat, completion }: Record<string, string>) =>
    JSON.stringify([arm, suite, id, condition, repeat, completion]);
  const items = (of: string) => linesOf(join(of, 'run/items.jsonl')).map(place).sort();
  expect(items(folder)).toEqual(items(whole));
  if (kills >= 20) expect(phases.filter((group) => !group.some((phase) => hit.includes(phase)))).toEqual([]);
  expect(leftovers(folder)).toEqual([]);
});
