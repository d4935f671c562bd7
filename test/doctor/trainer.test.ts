import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, test } from 'vitest';
import { builtin } from '../../src/builtin.ts';
import { resolveConfig } from '../../src/config-resolve.ts';
import type { Evidence } from '../../src/doctor/evidence.ts';
import { checkTrainer, probeTrainer } from '../../src/doctor/trainer.ts';
import { mockConfig } from '../mock-world.ts';

const folder = mkdtempSync(join(tmpdir(), 'doctor-trainer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const evidence = (training: object): Evidence => ({
  config: resolveConfig({ ...mockConfig, training: { ...mockConfig.training, ...training } }, '/'),
  suites: [],
  rows: new Map(),
  base: null,
  placeOf: (path) => path,
  failures: [],
});

/** A program called python3 that says these versions. */
function pythonWith(versions: object): string {
  const path = join(folder, 'python3');
  writeFileSync(path, `#!/bin/sh\necho '${JSON.stringify(versions)}'\n`);
  chmodSync(path, 0o755);
  return path;
}
const whole = { torch: '2.15.0', transformers: '5.24.0', peft: '0.21.2', trl: '1.16.0', datasets: '5.2.0' };

it('looks for the launcher’s program without running it', () => {
  const python = pythonWith(whole);
  expect(checkTrainer(evidence({}))).toEqual([]);
  expect(checkTrainer(evidence({ trainer: 'trl', launcher: 'wait' }))).toMatchObject([{ status: 'ok' }]);
  expect(checkTrainer(evidence({ trainer: 'trl', launcher: `"${python}" -X x` }))).toMatchObject([
    { status: 'ok', message: expect.stringContaining(python) },
  ]);
  expect(checkTrainer(evidence({ trainer: 'trl', launcher: 'no-such-launcher run' }))).toMatchObject([
    { status: 'problem', message: expect.stringContaining('no-such-launcher is not a program') },
  ]);
});

it('asks a Python for its packages', async () => {
  const launcher = `"${pythonWith({ ...whole, bitsandbytes: null })}"`;
  expect(await probeTrainer(evidence({ trainer: 'trl', launcher }), builtin)).toMatchObject([
    { status: 'ok', message: expect.stringContaining('trl 1.16.0'), values: { versions: whole } },
  ]);
  pythonWith({ ...whole, trl: null, peft: null });
  expect(await probeTrainer(evidence({ trainer: 'trl', launcher }), builtin)).toMatchObject([
    {
      status: 'problem',
      message: expect.stringMatching(/lacks peft, trl$/),
      advice: expect.stringContaining('pip install'),
    },
  ]);
  expect(await probeTrainer(evidence({ trainer: 'trl', launcher: '/no/python' }), builtin)).toMatchObject([
    { status: 'problem', message: expect.stringMatching(/cannot be run/) },
  ]);
  expect(await probeTrainer(evidence({ trainer: 'trl', launcher: 'wait' }), builtin)).toEqual([]);
});

test.each([
  [{ trainer: 'none' }, 'training.trainer is none'],
  [{ launcher: 'python' }, 'is for training.trainer: trl, which is embedded'],
  [{ precision: 'nf4' }, 'is for training.trainer: trl'],
])('a config that makes no sense is refused: %j', (training, message) => {
  try {
    evidence(training);
  } catch (error) {
    expect((error as { problems: string[] }).problems.join()).toContain(message);
    return;
  }
  throw new Error('nothing was thrown');
});

it('needs no trainer where every arm has an adapter', async () => {
  const arms = { base: { train: 'none' as const }, mine: { adapter: './mine' } };
  const config = resolveConfig(
    { ...mockConfig, arms, baseArm: 'base', gate: {}, training: { trainer: 'none' } },
    '/',
  );
  expect(config.arms.map(({ adapter }) => adapter)).toEqual([null, '/mine']);
  const trainer = await builtin.trainer('none');
  expect(trainer.name).toBe('none');
});
