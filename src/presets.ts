import type { ParsedConfig } from './config.ts';
import { projections } from './trainer.ts';

const shortDecoding = { maxTokens: 48, limit: 16 };
const paperSystem = 'You are a helpful assistant';

/**
 * Values below what the user wrote and above the schema's defaults.
 * `paper` is arXiv 2409.19476 as published; `standard` is the schema itself; `smoke` only shows that everything runs.
 */
export const presets: Record<
  ParsedConfig['preset'],
  { data?: object; training?: object; suites?: Record<string, object> }
> = {
  smoke: {
    training: { steps: 4, gradientAccumulation: 1, warmupSteps: 1 },
    suites: {
      harm: shortDecoding,
      overRefusal: shortDecoding,
      drift: { ...shortDecoding, maxTokens: 16 },
      utility: shortDecoding,
    },
  },
  standard: {},
  paper: {
    data: { systemPrompt: paperSystem },
    training: {
      lora: { r: 16, alpha: 16, targetModules: [...projections], dropout: 0 },
      steps: 50,
      batchSize: 2,
      gradientAccumulation: 4,
      learningRate: 2e-4,
      warmupSteps: 5,
      schedule: 'linear',
      weightDecay: 0.01,
      optimizer: 'adamw8bit',
      maxGradientNorm: 1,
      packing: false,
    },
    suites: {
      harm: { maxTokens: 512, temperature: 0.1 },
      overRefusal: { maxTokens: 512, temperature: 0.1 },
      drift: {
        maxTokens: 512,
        temperature: 0.01,
        contextTemplate: '{context}{question} Respond with the exact answer only.',
        systemPrompt: `${paperSystem} who responds as shortly as possible. Your responses are only 1-3 words long.`,
      },
    },
  },
};
