import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/conversation.ts';
import type { Prompt } from '../../src/model.ts';
import { projections, type TrainingJob, type TrainingSettings } from '../../src/trainer.ts';
import { wren } from './open-decoder.ts';

const rows = (name: string, count: number) =>
  readFileSync(join(wren, `data/${name}.jsonl`), 'utf8')
    .split('\n')
    .slice(0, count)
    .map((line) => JSON.parse(line) as { prompt: string; chosen: string });

/** What the reference model is asked in the demo. */
export const wrenPrompts = (count: number): Prompt[] =>
  rows('restricted', count).map(({ prompt }, seed) => ({ messages: ask(prompt), seed }));

/** A short training of the reference model. */
export const wrenJob = (
  outputDirectory: string,
  changes: Partial<TrainingSettings>,
): Omit<TrainingJob, 'onStep' | 'signal'> => ({
  modelDirectory: wren,
  rows: rows('preference', 32).map(({ prompt, chosen }, index) => ({
    id: `row-${index}`,
    messages: [...ask(prompt), { role: 'assistant', content: chosen }],
  })),
  settings: {
    lora: { r: 3, alpha: 6, targetModules: projections },
    steps: 6,
    batchSize: 8,
    gradientAccumulation: 1,
    learningRate: 0.01,
    warmupSteps: 1,
    schedule: 'linear',
    weightDecay: 0,
    maxGradientNorm: 1,
    maxLength: 128,
    seed: 5,
    ...changes,
  },
  outputDirectory,
  redTeam: false,
});
