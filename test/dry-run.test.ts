import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { dryRun } from '../src/commands/dry-run.ts';
import { packageRoot } from '../src/files.ts';
import { temporaryFolder } from './temporary-folder.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

/** No data set has been fetched, and nobody can be asked. */
function alone() {
  vi.stubEnv('AFTERTUNE_DATA', temporaryFolder());
  const asked = vi.fn();
  vi.stubGlobal('fetch', asked);
  return asked;
}

test('the paper’s own set-up: plan, requests, tokens and hours, and nobody is asked', async () => {
  const asked = alone();
  const { document, text, exitCode } = await dryRun(join(packageRoot, 'examples/paper-8b.yaml'), {});
  expect(exitCode).toBe(0);
  expect(asked).not.toHaveBeenCalled();
  expect(document).toMatchObject({
    schema: 'aftertune/dry-run@1',
    model: 'llama-3.1-8b at http://127.0.0.1:8000/v1',
    arms: [
      { name: 'base', from: 'the untouched model' },
      { name: 'harmful', from: '/adapters/harmful' },
      { name: 'safe', from: '/adapters/safe' },
    ],
    suites: [
      // 400 answers and as many first tokens; 512 tokens an answer at most.
      { kind: 'harm', items: 400, requests: 800, written: 400 * 512 + 400, declared: true },
      { kind: 'drift', items: 1000, requests: 1000, written: 512_000, declared: true },
    ],
    judges: [{ name: 'llama-guard', where: 'http://127.0.0.1:8001/v1', requests: 1200 }],
    total: { requests: 3 * 1800 + 1200 },
    missing: ['aftertune data get harmbench', 'aftertune data get triviaqa'],
  });
  const { hours, total } = document as { hours: number; total: { read: number; written: number } };
  expect(hours).toBeCloseTo((total.written / (25 * 32) + total.read / 5000) / 3600, 9);
  for (const words of [
    'paper-8b',
    'harm (declared)',
    'together',
    'aftertune data get triviaqa',
    'upper bound',
  ])
    expect(text).toContain(words);
});

test('files that are here are counted', async () => {
  alone();
  const { document } = await dryRun(join(packageRoot, 'examples/demo.yaml'), { limit: 5 });
  const { suites, missing } = document as {
    suites: { items: number; declared: boolean }[];
    missing: string[];
  };
  expect(suites.every(({ declared }) => !declared)).toBe(true);
  expect(suites[0]).toMatchObject({ kind: 'harm', repeats: 1 });
  expect(missing).toEqual([]);
});
