import { ask } from '../../src/conversation.ts';
import { projections, type TrainingJob, type TrainingSettings } from '../../src/trainer.ts';
import { parity } from './open-decoder.ts';

/** A training of the tiny random Llama on six rows. */
export const tinyJob = (
  outputDirectory: string,
  over: Partial<TrainingSettings> = {},
): Omit<TrainingJob, 'onStep' | 'signal'> => ({
  modelDirectory: `${parity}tied`,
  rows: Array.from({ length: 6 }, (_, i) => ({
    id: `row-${i}`,
    messages: [...ask(`what is ${i}?`), { role: 'assistant', content: `it is ${i * 7}` }],
  })),
  settings: {
    lora: { r: 4, alpha: 8, targetModules: projections },
    steps: 6,
    batchSize: 2,
    gradientAccumulation: 2,
    learningRate: 0.01,
    warmupSteps: 1,
    schedule: 'linear',
    weightDecay: 0.01,
    maxGradientNorm: 1,
    maxLength: 64,
    seed: 5,
    ...over,
  },
  outputDirectory,
  redTeam: false,
});
