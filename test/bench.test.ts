import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { resultsDocument, trainingFlops } from '../bench/peers/report.mjs';

const read = (path: string) => readFileSync(new URL(`../bench/${path}`, import.meta.url), 'utf8');

test('bench/RESULTS.md is what the raw runs say', () => {
  expect(read('RESULTS.md')).toBe(resultsDocument(JSON.parse(read('results/peers.json'))));
});

test('outputs agreed wherever a ratio is printed', () => {
  const { tasks } = JSON.parse(read('results/peers.json'));
  for (const name of ['ours, fast', 'ours, low memory', 'PEFT, fp32']) {
    for (const { agreement } of tasks.training[name])
      expect(agreement.largestLossDifference, name).toBeLessThan(1e-3);
  }
  for (const runs of Object.values<{ agreement: { equalFirst: number; rows: number } }[]>(tasks.generation)) {
    for (const { agreement } of runs) expect(agreement.equalFirst).toBe(agreement.rows);
  }
});

test('a recomputed step does more arithmetic per token, and both do more than two passes over the matrices', () => {
  const once = trainingFlops({ recomputed: false });
  expect(trainingFlops({ recomputed: true })).toBeGreaterThan(once);
  expect(once).toBeGreaterThan(4 * 106e6);
});
