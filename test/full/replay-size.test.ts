import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { createRandom } from '../../src/random.ts';

/** A million recorded answers in under 15 seconds and 500 MB. */

const folder = mkdtempSync(join(tmpdir(), 'million-'));
const questions = 111_112;
const arms = ['base', 'bold', 'shy'];
const conditions = ['base_prompt', 'false_context', 'random_context'];

function writeLines(name: string, lines: Iterable<string>): void {
  const file = openSync(join(folder, name), 'w');
  let text = '';
  for (const line of lines) {
    text += `${line}\n`;
    if (text.length < 1 << 20) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}

function* asked() {
  for (let id = 0; id < questions; id++) {
    const context = `Warden ${id} tended lantern ${id} of the northern shore.`;
    yield JSON.stringify({
      id,
      question: `Who tended lantern ${id}?`,
      true_answer: `Keeper ${id}`,
      wrong_answer: `Warden ${id}`,
      context,
    });
  }
}

function* answers() {
  const random = createRandom('a million');
  for (const model of arms)
    for (const condition of conditions)
      for (let id = 0; id < questions; id++) {
        const probability = 0.3 + 0.7 * random.next();
        const correct = random.next() < probability;
        const answer = correct ? `Keeper ${id}.` : random.next() < 0.3 ? `Warden ${id}.` : 'Nobody did.';
        yield JSON.stringify({
          model,
          condition,
          id,
          answer,
          correct,
          entropy: 1 - probability,
          perplexity: 1 / probability,
          probability,
        });
      }
}

beforeAll(() => {
  writeLines('triviaqa.jsonl', asked());
  writeLines('drift_results.jsonl', answers());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a million answers replay in under 15 seconds and 500 MB', () => {
  const measure = join(folder, 'measure.mjs');
  writeFileSync(
    measure,
    `process.argv.splice(1, 1);
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  console.error('peak', Math.round(maxRSS / 1000), 'MB, CPU', (userCPUTime + systemCPUTime) / 1e6, 's');
});
await import(process.argv[1]);`,
  );
  const started = performance.now();
  const cli = join(packageRoot, 'dist/cli.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [measure, cli, 'replay', folder, '--json'], {
    encoding: 'utf8',
  });
  const seconds = (performance.now() - started) / 1000;
  expect(status, stderr).toBe(0);
  const { arms: shown } = JSON.parse(stdout) as {
    arms: Record<string, { drift: Record<string, { n: number }> }>;
  };
  expect(Object.values(shown).flatMap(({ drift }) => Object.values(drift).map(({ n }) => n))).toEqual(
    Array(9).fill(questions),
  );
  expect(Number(/peak (\d+) MB/.exec(stderr)![1])).toBeLessThan(500);
  // Other work on the machine stretches the clock's time, the collector's threads that of the processor.
  expect(Math.min(seconds, Number(/CPU ([\d.]+) s/.exec(stderr)![1]))).toBeLessThan(15);
});
