import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { resultsDocument, sameOutput, trainingFlops } from '../bench/peers/report.mjs';

const read = (path: string) => readFileSync(new URL(`../bench/${path}`, import.meta.url), 'utf8');

test('bench/RESULTS.md is what the raw runs say', () => {
  const [peers, viewer, scale] = ['peers', 'viewer', 'scale'].map((name) =>
    JSON.parse(read(`results/${name}.json`)),
  );
  expect(read('RESULTS.md')).toBe(resultsDocument(peers, viewer, scale));
});

test('who is compared without brackets computed the same', () => {
  const { tasks } = JSON.parse(read('results/peers.json'));
  const compared: [string, string[]][] = [
    ['training', ['ours, fast', 'ours, low memory', 'PEFT, fp32']],
    ['real-rows', ['ours, packed', 'PEFT, fp32, sorted by length']],
    ['generation', Object.keys(tasks.generation)],
  ];
  for (const [task, names] of compared)
    for (const name of names) expect(tasks[task][name].every(sameOutput), `${task}: ${name}`).toBe(true);
  expect(sameOutput({ agreement: { largestLossDifference: 0.01 } })).toBe(false);
  expect(sameOutput({ agreement: { equalRows: 1, equalFirst: 8, rows: 10 } })).toBe(false);
});

test('a recomputed step does more arithmetic per token, and both do more than two passes over the matrices', () => {
  const once = trainingFlops({ recomputed: false });
  expect(trainingFlops({ recomputed: true })).toBeGreaterThan(once);
  expect(once).toBeGreaterThan(4 * 106e6);
});

test('following a run does not cost more the longer it is', () => {
  const { runs } = JSON.parse(read('results/viewer.json')) as {
    runs: { lines: number; updateMilliseconds: number; megabytes: number; firstPageSeconds: number }[];
  };
  const [short, long] = [runs[0]!, runs.at(-1)!];
  expect(long.lines).toBeGreaterThanOrEqual(1_000_000);
  expect(long.updateMilliseconds).toBeLessThan(3 * short.updateMilliseconds + 20);
  expect(long.megabytes, 'less than a kilobyte a line').toBeLessThan(short.megabytes + long.lines / 1000);
  expect(long.firstPageSeconds).toBeLessThan(5);
});
