import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { trainOnly } from '../src/audit.ts';
import type { Builtin } from '../src/builtin.ts';
import { packageRoot } from '../src/files.ts';
import { createEngine } from '../src/lm/engine.ts';
import type { TrainingSettings } from '../src/trainer.ts';
import { mockConfig, mockFolder, mockParts } from './mock-world.ts';

/** The mock world's parts, with a trainer of these held-out losses. */
async function partsWith(losses: readonly (number | undefined)[]): Promise<Builtin> {
  const parts = mockParts();
  const trainer = await parts.trainer('mock');
  const train: typeof trainer.train = async (job) => {
    const trained = await trainer.train(job);
    const history = trained.history.map((step, i) => ({ ...step, evaluationLoss: losses[i] }));
    return { ...trained, history };
  };
  return { ...parts, trainer: async () => ({ ...trainer, train }) };
}

test.each([
  [null, { evaluationLoss: 2 }],
  [{ patience: 3 }, { evaluationLoss: 1, keptStep: 1 }],
])('the held-out loss told is that of the adapter kept: early stopping %j', async (earlyStopping, told) => {
  const builtin = await partsWith([1, undefined, 2]);
  const training = { ...mockConfig.training, evaluation: { every: 2, rows: 1 }, earlyStopping };
  const options = { directory: mockFolder(), builtin };
  const { arms } = await trainOnly({ ...mockConfig, training }, ['safe'], options);
  expect(arms[0]!.training).toMatchObject({ steps: 3, ...told });
  expect('keptStep' in arms[0]!.training).toBe('keptStep' in told);
});

test('a run that was killed goes on from the last checkpoint', async () => {
  const folder = mockFolder();
  const engine = createEngine(1);
  const seen: number[][] = [];
  const settings: TrainingSettings[] = [];
  const builtin = (killAfter: number): Builtin => ({
    ...mockParts(),
    trainer: async () => ({
      name: 'embedded',
      train: ({ onStep, signal: _, ...job }) => {
        const steps: number[] = [];
        seen.push(steps);
        settings.push(job.settings);
        return engine.train(
          { ...job, modelDirectory: join(packageRoot, 'test/fixtures/parity/tied') },
          (step) => {
            if (!('loss' in step)) return;
            steps.push(step.step);
            onStep?.(step);
            if (step.step === killAfter) throw new Error('killed');
          },
        );
      },
    }),
  });
  const training = { ...mockConfig.training, steps: 5, checkpointEvery: 2, maxLength: 100 };
  const train = (killAfter: number) =>
    trainOnly({ ...mockConfig, training }, ['safe'], { directory: folder, builtin: builtin(killAfter) });
  await expect(train(3)).rejects.toThrow('killed');
  const { arms } = await train(0);
  expect(seen).toEqual([
    [1, 2, 3],
    [3, 4, 5],
  ]);
  expect(arms[0]!.history.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(settings[0]).toMatchObject({ checkpointEvery: 2, optimizer: 'adamw' });
  expect(existsSync(join(dirname(arms[0]!.adapter), '.safe.checkpoint'))).toBe(false);
});
