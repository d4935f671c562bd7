import { describe, expect, test } from 'vitest';
import type { GeneratedToken } from '../src/model.ts';
import { scoreTokens } from '../src/uncertainty.ts';
import { fixture } from './statistics-fixture.ts';

const token = (sampled: number, top: readonly number[], endOfTurn = false): GeneratedToken => ({
  id: 1,
  text: 'x',
  logProbability: Math.log(sampled),
  topLogProbabilities: top.map(Math.log),
  endOfTurn,
});

describe('token scores', () => {
  test.each(fixture.tokens)('of a finished answer, as NumPy and SciPy', (expected) => {
    const last = expected.tokens.length - 1;
    const ours = scoreTokens(expected.tokens.map(({ sampled, top }, i) => token(sampled, top, i === last)));
    expect(ours.uncertainty!.perplexity).toBeCloseTo(expected.perplexity, 10);
    expect(ours.uncertainty!.probability).toBeCloseTo(expected.probability, 12);
    expect(ours.uncertainty!.entropy).toBeCloseTo(expected.entropy, 12);
    expect(ours.uncertaintyPaper!.perplexity).toBeCloseTo(expected.perplexityPaper, 10);
    expect(ours.uncertaintyPaper!.probability).toBeCloseTo(expected.probabilityPaper, 12);
    expect(ours.uncertaintyPaper!.entropy).toBeCloseTo(expected.entropy, 12);
    expect(ours.confidence).toBeCloseTo(expected.confidence, 12);
    expect(ours.truncatedMass).toBeCloseTo(expected.truncatedMass, 12);
  });

  test('cut off: every token is the answer’s by default, the paper still drops the last', () => {
    const scores = scoreTokens([token(0.5, [0.5, 0.5]), token(0.25, [0.75, 0.25])]);
    expect(scores.uncertainty!.probability).toBeCloseTo(0.375, 12);
    expect(scores.uncertaintyPaper).toEqual({ perplexity: 2, entropy: Math.LN2, probability: 0.5 });
    expect(scores.confidence).toBeCloseTo(Math.sqrt(0.125), 12);
  });

  test('finished: the end-of-turn token is in the record but in no score', () => {
    const scores = scoreTokens([token(0.25, [0.25, 0.25, 0.25, 0.25]), token(0.123456, [0.9, 0.1], true)]);
    const uncertainty = { perplexity: 4, entropy: Math.log(4), probability: 0.25 };
    expect(scores).toEqual({
      logProbabilities: [-1.3863, -2.0919],
      uncertainty,
      uncertaintyPaper: uncertainty,
      confidence: 0.25,
      truncatedMass: 0,
    });
  });

  test('the sampled token counts by default, the largest in the paper’s way', () => {
    const scores = scoreTokens([token(0.1, [0.6, 0.3, 0.1]), token(1, [1], true)]);
    expect(scores.confidence).toBeCloseTo(0.1, 12);
    expect(scores.uncertaintyPaper!.probability).toBeCloseTo(0.6, 12);
  });

  test('nothing generated, or only the end of turn: null, not 0', () => {
    const empty = { uncertainty: null, uncertaintyPaper: null, confidence: null, truncatedMass: null };
    expect(scoreTokens([])).toEqual({ logProbabilities: [], ...empty });
    expect(scoreTokens([token(0.4, [0.4, 0.3], true)])).toEqual({ logProbabilities: [-0.9163], ...empty });
  });

  test('entropy is not renormalised; what the ten leave out is stated', () => {
    const scores = scoreTokens([token(0.4, [0.4, 0.3]), token(1, [1], true)]);
    expect(scores.uncertainty!.entropy).toBeCloseTo(-0.4 * Math.log(0.4) - 0.3 * Math.log(0.3), 12);
    expect(scores.truncatedMass).toBeCloseTo(0.3, 12);
  });

  test('a certain token has entropy 0 and is written as 0, not −0', () => {
    const scores = scoreTokens([token(1, [1, 0]), token(1, [1], true)]);
    expect(scores.uncertainty).toEqual({ perplexity: 1, entropy: 0, probability: 1 });
    expect(Object.is(scores.logProbabilities[0], 0)).toBe(true);
    expect(
      scoreTokens([{ ...token(1, [1]), logProbability: -0.00001 }]).logProbabilities.map((x) =>
        Object.is(x, 0),
      ),
    ).toEqual([true]);
  });
});
