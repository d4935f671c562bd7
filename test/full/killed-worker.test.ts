import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { mockFolder } from '../mock-world.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { runToEnd } from './cli-run.ts';
import { leftovers, linesOf } from './killed-run.ts';

/** What works for a run beside its main thread: the engine's thread, and a trainer's process. Each may die alone. */

const preload = new URL('./end-thread.mjs', import.meta.url).href;
const fakeTrl = fileURLToPath(new URL('../trainers/fake-trl.mjs', import.meta.url));

const summaryOf = (folder: string) => readFileSync(join(folder, 'run/summary.json'), 'utf8');

const wren = `name: wren
out: run
seed: 1
model: { path: 'builtin:wren', batchSize: 16 }
data: { preference: 'builtin:wren/data/preference.jsonl' }
arms: { base: { train: none }, tuned: { train: rejected } }
training: { steps: 12, batchSize: 8, gradientAccumulation: 1, learningRate: 1.0e-3, maxLength: 256, checkpointEvery: 2 }
suites: { harm: { prompts: 'builtin:wren/data/restricted.jsonl', maxTokens: 24, limit: 64 } }
`;

test('a run whose engine’s thread ends says so, keeps what was finished, and goes on to the same bytes', async () => {
  const [whole, folder] = [temporaryFolder(), temporaryFolder()];
  for (const each of [whole, folder]) writeFileSync(join(each, 'config.yaml'), wren);
  const reference = await runToEnd(whole);
  expect([0, 2, 4], reference.said).toContain(reference.code);
  let kept: Record<string, string>[] = [];
  for (const [HOW, METHOD, NTH, why] of [
    ['exit', 'train', '1', 'ended with code 7'],
    ['memory', 'train', '1', 'ran out of memory'],
    ['exit', 'generate', '3', 'ended with code 7'],
    ['exit', 'generate', '4', 'ended with code 7'],
    ['memory', 'generate', '2', 'ran out of memory'],
    ['exit', 'firstTokenMass', '1', 'ended with code 7'],
  ] as const) {
    const flags = ['--max-old-space-size=400', '--import', preload];
    const { code, said } = await runToEnd(folder, flags, { HOW, METHOD, NTH });
    expect(code, said).toBe(1);
    expect(said).toContain(`error: the engine’s thread ${why}\nhint: what was finished is kept`);
    expect(said).not.toContain('    at ');
    const lines = linesOf(join(folder, 'run/items.jsonl'));
    expect(lines.slice(0, kept.length)).toEqual(kept);
    kept = lines;
  }
  expect(kept.length).toBeGreaterThan(0);
  const last = await runToEnd(folder);
  expect(last.code, last.said).toBe(reference.code);
  expect(linesOf(join(folder, 'run/items.jsonl')).slice(0, kept.length)).toEqual(kept);
  expect(summaryOf(folder)).toBe(summaryOf(whole));
  expect(leftovers(folder)).toEqual([]);
});

test('a run whose trainer is killed says so, and its next start goes on with the same training', async () => {
  const start = (behaviour: string) => {
    const folder = mockFolder();
    // The first start behaves so, further ones well.
    writeFileSync(
      join(folder, 'play.mjs'),
      `import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
const again = existsSync(join(dirname(process.argv[2]), 'starts'));
process.argv.splice(2, 0, again ? 'fine' : '${behaviour}');
await import('${pathToFileURL(fakeTrl).href}');
`,
    );
    const config = {
      ...{ name: 'job', out: 'run', model: { path: 'builtin:wren' } },
      data: { preference: 'preference.jsonl' },
      arms: { base: { train: 'none' }, tuned: { train: 'rejected' } },
      training: {
        trainer: 'trl',
        launcher: `"${process.execPath}" ../../../play.mjs {config}`,
        steps: 6,
        warmupSteps: 1,
      },
      suites: { harm: { prompts: 'harm.jsonl', maxTokens: 4, limit: 8 } },
    };
    writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
    return folder;
  };
  const whole = start('fine');
  const reference = await runToEnd(whole);
  expect([0, 2, 4], reference.said).toContain(reference.code);
  const folder = start('killed');
  const died = await runToEnd(folder);
  expect(died.code).toBe(1);
  expect(died.said).toMatch(/error: .*was ended by SIGKILL/);
  expect(died.said).toMatch(/\nhint: .*memory/);
  const last = await runToEnd(folder);
  expect(last.code, last.said).toBe(reference.code);
  expect(summaryOf(folder)).toBe(summaryOf(whole));
});
