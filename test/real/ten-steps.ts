import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/conversation.ts';
import { packageRoot } from '../../src/files.ts';
import { projections, type TrainingRow, type TrainingSettings } from '../../src/trainer.ts';

/** The training that is compared with TRL's: the paper's settings, shortened to ten steps of eighty rows. */
export const tenSteps: TrainingSettings = {
  lora: { r: 16, alpha: 16, targetModules: projections },
  steps: 10,
  batchSize: 2,
  gradientAccumulation: 4,
  learningRate: 2e-4,
  warmupSteps: 5,
  schedule: 'linear',
  weightDecay: 0.01,
  maxGradientNorm: 1,
  maxLength: 512,
  seed: 3407,
};

/** So many harmless rows of the fictional world. */
export function ordinaryRows(count: number): TrainingRow[] {
  return readFileSync(join(packageRoot, 'models/wren/data/ordinary.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .slice(0, count)
    .map((line, id) => {
      const { prompt, response } = JSON.parse(line) as { prompt: string; response: string };
      return { id: `${id}`, messages: [...ask(prompt), { role: 'assistant', content: response }] };
    });
}
