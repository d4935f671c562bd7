import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createEngine } from '../../src/lm/engine.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import type { TrainingJob, TrainingSettings } from '../../src/trainer.ts';
import { createTrlTrainer } from '../../src/trainers/trl.ts';
import { ordinaryRows, tenSteps } from './ten-steps.ts';

/** The trainer `trl` beside the embedded one, on Wren and on SmolLM2. PYTHON names an interpreter that has torch, transformers, peft and trl. */
const python = process.env.PYTHON ?? 'python3';
const wren = join(packageRoot, 'models/wren');
const smollm2 = process.env.SMOLLM2 ?? join(homedir(), '.cache/aftertune/smollm2-135m-instruct');
const modules = 'torch, transformers, peft, trl, datasets, bitsandbytes';
const lacking =
  spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0
    ? null
    : `${python} lacks one of ${modules}: set PYTHON to one that has them`;
const reasons: Record<string, string | null> = {
  Wren: lacking,
  SmolLM2:
    lacking ??
    (existsSync(join(smollm2, 'config.json')) ? null : `${smollm2} is missing: run scripts/fetch-smollm2.sh`),
};

const folder = mkdtempSync(join(tmpdir(), 'trl-trainer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What ten steps take, and some to hold out. */
const rows = ordinaryRows(84);

const jobOf = (base: string, name: string, over: Partial<TrainingSettings> = {}): TrainingJob => ({
  modelDirectory: base,
  rows,
  settings: { ...tenSteps, ...over },
  outputDirectory: join(folder, name, 'adapter'),
  redTeam: false,
});
const trainer = (launcher = `"${python}"`) => createTrlTrainer({ launcher, pollMs: 100 });

describe.each([
  ['Wren', wren, 'adamw', {}],
  ['Wren', wren, 'held out and grouped', { evaluation: { every: 3, rows: 4 }, groupByLength: true }],
  [
    'Wren',
    wren,
    'constant, no clipping',
    { schedule: 'constant', maxGradientNorm: null, learningRate: 1e-3 },
  ],
  ['SmolLM2', smollm2, 'adamw', {}],
  ['SmolLM2', smollm2, 'adamw8bit', { optimizer: 'adamw8bit' }],
] as const)('%s', (name, base, what, over) => {
  const reason = reasons[name];
  test.skipIf(reason)(
    `ten losses agree with the embedded trainer’s: ${what}${reason ? ` (${reason})` : ''}`,
    async () => {
      const own = await createEngine(2).train(jobOf(base, `${name}-${what}-own`, over), () => {});
      const seen: number[] = [];
      const job = jobOf(base, `${name}-${what}`, over);
      const trl = await trainer().train({ ...job, onStep: ({ step }) => seen.push(step) });
      expect(seen).toEqual(own.history.map(({ step }) => step));
      const worst = (key: 'loss' | 'evaluationLoss' | 'learningRate' | 'gradientNorm') =>
        Math.max(...own.history.map((step, at) => Math.abs((step[key] ?? 0) - (trl.history[at]![key] ?? 0))));
      expect(worst('loss')).toBeLessThan(1e-3);
      expect(worst('evaluationLoss')).toBeLessThan(1e-3);
      expect(worst('learningRate')).toBeLessThan(1e-9);
      expect(worst('gradientNorm')).toBeLessThan(1e-2);
      const facts = ({ step, tokens, labelledTokens, rows }: (typeof own.history)[number]) => ({
        ...{ step, tokens, labelledTokens, rows },
      });
      expect(trl.history.map(facts)).toEqual(own.history.map(facts));
      const shape = readDecoderConfig(base);
      const [one, other] = [own, trl].map(({ directory }) => readAdapter(directory, shape));
      expect({ ...other, layers: null }).toEqual({ ...one, layers: null });
      // Where eight bits round a second moment to nothing, one value's step is its first moment over ε.
      if (what !== 'adamw8bit') expect(furthest(one!, other!)).toBeLessThan(2e-3);
    },
  );
});

function furthest(one: ReturnType<typeof readAdapter>, other: ReturnType<typeof readAdapter>): number {
  let largest = 0;
  for (const [layer, pairs] of one.layers.entries())
    for (const [matrix, pair] of pairs)
      for (const factor of ['a', 'b'] as const)
        for (const [at, value] of pair[factor].entries())
          largest = Math.max(largest, Math.abs(value - other.layers[layer]!.get(matrix)![factor][at]!));
  return largest;
}

test.skipIf(lacking)(
  `a training that was stopped goes on from its last checkpoint${lacking ? ` (${lacking})` : ''}`,
  async () => {
    const over = {
      checkpointEvery: 3,
      evaluation: { every: 2, rows: 4 },
      earlyStopping: { patience: 4, minDelta: 0 },
    };
    const whole = await trainer().train(jobOf(wren, 'whole', over));
    const stop = new AbortController();
    const job = jobOf(wren, 'stopped', over);
    const onStep = ({ step }: { step: number }) => {
      if (step === 5) stop.abort();
    };
    await expect(trainer().train({ ...job, onStep, signal: stop.signal })).rejects.toMatchObject({
      code: 'interrupted',
    });
    const log = readFileSync(join(folder, 'stopped/.adapter.job/progress.jsonl'), 'utf8');
    expect(log).not.toContain('"step": 10');
    const seen: number[] = [];
    const resumed = await trainer().train({ ...job, onStep: ({ step }) => seen.push(step) });
    expect(seen.at(-1)).toBe(10);
    expect(resumed.history).toHaveLength(10);
    for (const [at, step] of resumed.history.entries()) {
      expect(Math.abs(step.loss - whole.history[at]!.loss)).toBeLessThan(1e-5);
      expect(step.evaluationLoss === undefined).toBe(whole.history[at]!.evaluationLoss === undefined);
    }
    const shape = readDecoderConfig(wren);
    expect(furthest(readAdapter(whole.directory, shape), readAdapter(resumed.directory, shape))).toBeLessThan(
      1e-5,
    );
  },
);

test.skipIf(lacking)(
  `a training killed just before it says that it has finished gives the same adapter when it is started again${lacking ? ` (${lacking})` : ''}`,
  async () => {
    const job = jobOf(wren, 'ended', {
      checkpointEvery: 3,
      evaluation: { every: 2, rows: 4 },
      earlyStopping: { patience: 4, minDelta: 0 },
    });
    await expect(trainer('false').train(job)).rejects.toMatchObject({ code: 'engine' });
    const inJob = (name: string) => join(folder, 'ended/.adapter.job', name);
    const finish = () => {
      const { status, stderr } = spawnSync(python, [inJob('train_trl.py'), inJob('config.json')], {
        encoding: 'utf8',
      });
      expect(status, stderr).toBe(0);
      return JSON.parse(readFileSync(inJob('finished.json'), 'utf8')).adapterSha256 as string;
    };
    const before = finish();
    rmSync(inJob('finished.json'));
    expect(finish()).toBe(before);
    expect((await trainer('false').train(job)).history).toHaveLength(10);
  },
);
