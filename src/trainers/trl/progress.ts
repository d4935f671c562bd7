import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { TrainingStep } from '../../trainer.ts';
import type { JobFolder } from './job.ts';

const progressLine = z.object({
  step: z.int().min(1),
  loss: z.number(),
  gradientNorm: z.number(),
  learningRate: z.number(),
  evaluationLoss: z.number().optional(),
});

/** The steps that progress.jsonl tells of, in order; what is not there, or not whole yet, is left for later. */
export function readSteps({ directory, steps }: Pick<JobFolder, 'directory' | 'steps'>): TrainingStep[] {
  const found = new Map<number, TrainingStep>();
  for (const text of textOf(join(directory, 'progress.jsonl')).split('\n')) {
    const { data } = progressLine.safeParse(parse(text));
    const facts = data && steps[data.step - 1];
    if (!facts) continue;
    const { step, loss, gradientNorm, learningRate, evaluationLoss } = data;
    const { tokens, labelledTokens, rows } = facts;
    found.set(step, {
      ...{ step, loss, gradientNorm, learningRate, tokens, labelledTokens },
      ...(evaluationLoss !== undefined && { evaluationLoss }),
      ...(rows && { rows }),
    });
  }
  return [...found.values()].sort((a, b) => a.step - b.step);
}

/** '' where it cannot be read: whoever fills the folder may be about to replace it. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Tells once of every step that comes from now on. Call `look` now and then, and once at the end. */
export function watchSteps(
  job: Pick<JobFolder, 'directory' | 'steps'>,
  onStep: (step: TrainingStep) => void,
): { look(): void } {
  let seen = readSteps(job).at(-1)?.step ?? 0;
  return {
    look() {
      for (const step of readSteps(job)) {
        if (step.step <= seen) continue;
        seen = step.step;
        onStep(step);
      }
    },
  };
}
