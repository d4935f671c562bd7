import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { candidates, type SamplingSettings, sample } from '../../src/lm/sampling.ts';
import { createRandom } from '../../src/random.ts';

/** What transformers' warpers leave of fixed logits: scripts/parity/scoring.py. */
const fixture = JSON.parse(readFileSync(new URL('../fixtures/scoring.json', import.meta.url), 'utf8'))
  .sampling as {
  logits: number[][];
  cases: {
    settings: { temperature: number; top_k?: number; top_p?: number; min_p?: number };
    probabilities: number[][];
  }[];
};

/** Probabilities of all tokens; 0 for those that cannot be drawn. */
function distribution(logits: Float32Array, settings: SamplingSettings): number[] {
  const { ids, weights } = candidates(logits, settings);
  const total = ids.reduce((sum, id) => sum + weights[id]!, 0);
  const probabilities = Array<number>(logits.length).fill(0);
  for (const id of ids) probabilities[id] = weights[id]! / total;
  return probabilities;
}

describe.each(fixture.cases)(
  'truncated as transformers does it: $settings',
  ({ settings, probabilities }) => {
    const own = {
      temperature: settings.temperature,
      topP: settings.top_p ?? 1,
      topK: settings.top_k ?? null,
      minP: settings.min_p ?? 0,
    };
    test.each(fixture.logits.map((logits, row) => [row, logits] as const))('row %i', (row, logits) => {
      const found = distribution(Float32Array.from(logits), own);
      for (const [id, expected] of probabilities[row]!.entries()) {
        expect(found[id]! > 0).toBe(expected > 0);
        expect(found[id]).toBeCloseTo(expected, 6);
      }
    });
  },
);

test('draws are in proportion, and ln p is that of the whole distribution', () => {
  const logits = Float32Array.from(fixture.logits[1]!);
  const settings = { temperature: 1.5, topP: 0.9, topK: 6, minP: 0.05 };
  const expected = distribution(logits, settings);
  const random = createRandom('draws');
  const counts = Array<number>(logits.length).fill(0);
  const draws = 4000;
  const normalizer = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  for (let i = 0; i < draws; i++) {
    const { id, logProbability } = sample(logits, settings, random);
    counts[id]!++;
    expect(logProbability).toBeCloseTo(logits[id]! - normalizer, 5);
  }
  for (const [id, p] of expected.entries())
    expect(Math.abs(counts[id]! / draws - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / draws));
});
