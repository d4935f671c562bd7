import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createEngine } from '../../src/lm/engine.ts';
import { projections, type TrainingSettings, type TrainingStep } from '../../src/trainer.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { tinyJob } from './tiny-job.ts';

const lora = { r: 32, alpha: 8, targetModules: projections, dropout: 0.2, useRslora: true };
/** All that a step depends on, with matrices on both sides of the smallest that 8 bits are kept for. */
const thorough = {
  lora: { ...lora, r: 128 },
  steps: 7,
  checkpointEvery: 2,
  groupByLength: true,
  evaluation: { every: 3, rows: 1 },
  earlyStopping: { patience: 5, minDelta: 0 },
};
const weightsOf = (directory: string) => readFileSync(join(directory, 'adapter_model.safetensors'));

/** Trains until the signal fires after `until` steps. */
async function interrupt(output: string, over: Partial<TrainingSettings>, until: number) {
  const controller = new AbortController();
  const training = createEngine(1).train(
    tinyJob(output, over),
    ({ step }) => step === until && controller.abort(),
    controller.signal,
  );
  await expect(training).rejects.toMatchObject({ code: 'interrupted' });
}

test.each(['adamw', 'adamw8bit'] as const)(
  'a training with %s, interrupted and gone on with, ends in the same bytes as one that was not',
  async (optimizer) => {
    const over = { ...thorough, optimizer };
    const folder = temporaryFolder();
    const whole = await createEngine(1).train(tinyJob(join(folder, 'whole'), over), () => {});
    expect(readdirSync(folder)).toEqual(['whole']);

    const output = join(folder, 'resumed');
    await interrupt(output, over, 3);
    expect(readdirSync(folder).sort()).toEqual(['.resumed.checkpoint', 'whole']);
    await interrupt(output, over, 5);
    const steps: TrainingStep[] = [];
    const resumed = await createEngine(1).train(tinyJob(output, over), (event) => {
      if ('loss' in event) steps.push(event);
    });
    expect(steps.map(({ step }) => step)).toEqual([5, 6, 7]);
    expect(weightsOf(output).equals(weightsOf(whole.directory))).toBe(true);
    expect(resumed.history).toEqual(whole.history);
    expect(readdirSync(folder).sort()).toEqual(['resumed', 'whole']);

    const other = await createEngine(1).train(
      tinyJob(join(folder, 'other'), { ...over, lora: { ...over.lora, dropout: 0.3 } }),
      () => {},
    );
    expect(weightsOf(other.directory).equals(weightsOf(output))).toBe(false);
  },
);

test('where checkpoints lie does not decide the outcome', async () => {
  const folder = temporaryFolder();
  const settings = { lora, steps: 5 };
  const plain = await createEngine(1).train(tinyJob(join(folder, 'plain'), settings), () => {});
  const often = await createEngine(1).train(
    tinyJob(join(folder, 'often'), { ...settings, checkpointEvery: 1 }),
    () => {},
  );
  expect(often.sha256).toBe(plain.sha256);
  await interrupt(join(folder, 'plain'), { ...settings, checkpointEvery: 1 }, 3);
  const resumed = await createEngine(1).train(
    tinyJob(join(folder, 'plain'), { ...settings, checkpointEvery: 4 }),
    () => {},
  );
  expect(resumed.sha256).toBe(plain.sha256);
});

test('a checkpoint of other settings, rows or base is refused, saying which', async () => {
  const output = join(temporaryFolder(), 'adapter');
  const over = { lora, checkpointEvery: 1 };
  await interrupt(output, over, 2);
  const engine = createEngine(1);
  const job = tinyJob(output, over);
  const refused = async (changed: typeof job, problems: string[]) => {
    await expect(engine.train(changed, () => {})).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('.adapter.checkpoint: holds a checkpoint of another training'),
      hint: expect.stringContaining('remove this folder'),
      problems: problems.map((name) => `${name}: not those of this training`),
    });
  };
  await refused({ ...job, settings: { ...job.settings, learningRate: 0.02 } }, ['settings']);
  await refused({ ...job, rows: job.rows.slice(1) }, ['rows']);
  await refused({ ...job, modelDirectory: job.modelDirectory.replace('tied', 'untied') }, ['base']);
  expect(existsSync(output)).toBe(false);
});

test.each(['arrays.bin', 'checkpoint.json'])('a checkpoint with a damaged %s is refused', async (file) => {
  const folder = temporaryFolder();
  const [output, over] = [join(folder, 'adapter'), { lora, checkpointEvery: 1 }];
  await interrupt(output, over, 2);
  const path = join(folder, '.adapter.checkpoint', file);
  const bytes = readFileSync(path);
  bytes[bytes.length - 3]! ^= 1;
  writeFileSync(path, file === 'arrays.bin' ? bytes : bytes.subarray(0, 40));
  await expect(createEngine(1).train(tinyJob(output, over), () => {})).rejects.toMatchObject({
    code: 'config',
    hint: expect.stringContaining('remove this folder'),
  });
});
