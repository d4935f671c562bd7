import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { createEngine } from '../../src/lm/engine.ts';
import type { TrainingJob, TrainingSettings } from '../../src/trainer.ts';
import { createTrlTrainer } from '../../src/trainers/trl.ts';
import { auditErrorOf } from '../audit-error.ts';
import { ordinaryRows, tenSteps } from './ten-steps.ts';

/** The trainer `trl` under launchers that start several processes, on Wren and CPU (gloo). PYTHON as in trl-trainer.test.ts. */
const python = process.env.PYTHON ?? 'python3';
const modules = 'torch, transformers, peft, trl, datasets, bitsandbytes';
const lacking = spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status !== 0;
const torchrun = `"${python}" -m torch.distributed.run --standalone --nproc_per_node`;
const launchers: Record<string, string> = {
  accelerate: `"${python}" -m accelerate.commands.launch --cpu --num_processes 2`,
  torchrun: `${torchrun} 2`,
  fsdp: `${torchrun} 2 "${join(packageRoot, 'test/real/fsdp-on-cpu.py')}"`,
};

const folder = mkdtempSync(join(tmpdir(), 'launchers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const inJob = (name: string, file: string) => join(folder, name, '.adapter.job', file);
const jobOf = (name: string, over: Partial<TrainingSettings> = {}): TrainingJob => ({
  modelDirectory: join(packageRoot, 'models/wren'),
  rows: ordinaryRows(84),
  settings: { ...tenSteps, ...over },
  outputDirectory: join(folder, name, 'adapter'),
  redTeam: false,
});
const trainer = (launcher: string) => createTrlTrainer({ launcher, pollMs: 100 });

/** Checkpoints, held-out rows and an early stop: everything that the processes have to agree on. */
const everything: Partial<TrainingSettings> = {
  checkpointEvery: 3,
  evaluation: { every: 2, rows: 4 },
  earlyStopping: { patience: 4, minDelta: 0 },
};

test.skipIf(lacking).for([
  ['accelerate', 'plain', {}],
  ['torchrun', 'plain', {}],
  ['torchrun', 'everything', everything],
  ['fsdp', 'everything', everything],
] as const)('two processes of %s train as one of ours: %s', async ([name, what, over]) => {
  const own = await createEngine(2).train(jobOf(`own-${name}-${what}`, over), () => {});
  const seen: number[] = [];
  const job = { ...jobOf(`${name}-${what}`, over), onStep: ({ step }: { step: number }) => seen.push(step) };
  const trl = await trainer(launchers[name]!).train(job);
  expect(seen).toEqual(own.history.map(({ step }) => step));
  // Only the first process writes: one line a step.
  const lines = readFileSync(inJob(`${name}-${what}`, 'progress.jsonl'), 'utf8')
    .trim()
    .split('\n');
  expect(lines).toHaveLength(own.history.length);
  const worst = (key: 'loss' | 'evaluationLoss' | 'gradientNorm') =>
    Math.max(...own.history.map((step, at) => Math.abs((step[key] ?? 0) - (trl.history[at]![key] ?? 0))));
  expect(worst('loss')).toBeLessThan(1e-3);
  expect(worst('evaluationLoss')).toBeLessThan(1e-3);
  expect(worst('gradientNorm')).toBeLessThan(1e-2);
});

test.skipIf(lacking)('two processes that were stopped go on from their last checkpoint', async () => {
  const stop = new AbortController();
  const job = jobOf('stopped', everything);
  const onStep = ({ step }: { step: number }) => step === 5 && stop.abort();
  const stopped = await auditErrorOf(() =>
    trainer(launchers.torchrun!).train({ ...job, onStep, signal: stop.signal }),
  );
  expect(stopped.code).toBe('interrupted');
  const before = readFileSync(inJob('stopped', 'progress.jsonl'), 'utf8').trim().split('\n').length;
  expect(before).toBeLessThan(10);
  const whole = await trainer(`"${python}"`).train(jobOf('whole', everything));
  const resumed = await trainer(launchers.torchrun!).train(job);
  expect(resumed.history).toHaveLength(10);
  for (const [at, { loss }] of resumed.history.entries())
    expect(Math.abs(loss - whole.history[at]!.loss)).toBeLessThan(1e-5);
});

test.skipIf(lacking)('rows that do not divide among the processes are refused', async () => {
  const error = await auditErrorOf(() => trainer(`${torchrun} 3`).train(jobOf('three')));
  expect(error).toMatchObject({
    code: 'config',
    message: expect.stringContaining('8 rows a step cannot be shared by 3 processes'),
  });
});

test.skipIf(lacking)('FSDP 1, which loses the adapter, is refused before it trains', async () => {
  const launcher = `env ACCELERATE_USE_FSDP=true "${python}"`;
  const error = await auditErrorOf(() => trainer(launcher).train(jobOf('fsdp-1')));
  expect(error).toMatchObject({ code: 'config', hint: expect.stringContaining('fsdp_version: 2') });
});

test.skipIf(lacking)('a second training in the same folder is refused while the first goes on', async () => {
  const job = jobOf('twice', { steps: 400 });
  await auditErrorOf(() => trainer('false').train(job));
  const first = spawn(python, [inJob('twice', 'train_trl.py'), inJob('twice', 'config.json')], {
    stdio: 'ignore',
  });
  while (!existsSync(inJob('twice', 'progress.jsonl'))) await sleep(100);
  try {
    const error = await auditErrorOf(() => trainer(`"${python}"`).train(job));
    expect(error).toMatchObject({
      code: 'config',
      message: expect.stringContaining('another process trains in this folder'),
    });
  } finally {
    first.kill('SIGKILL');
    await once(first, 'exit');
  }
});
