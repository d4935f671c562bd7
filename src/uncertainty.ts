import type { GeneratedToken } from './model.ts';
import type { ItemRecord, Uncertainty } from './record.ts';
import { mean } from './stats.ts';

/** How sure a model was of its answer, from its own token probabilities; natural logarithm throughout. */

/** The fields of an item's record that come from its tokens. */
export type TokenScores = Pick<
  ItemRecord,
  'uncertainty' | 'uncertaintyPaper' | 'confidence' | 'truncatedMass'
> & { readonly logProbabilities: number[] };

/**
 * Scores of one generation. Default: the sampled token's probability over the answer's tokens, without the end-of-turn token.
 * `thinkingTokens`: how many of the first tokens are no part of the answer; only their log-probabilities are kept.
 * Paper: the largest token's probability at every position but the last, whatever the last is.
 * Source: arXiv 2409.19476 (perplexity, entropy over the ten largest probabilities, as its released code has them).
 */
export function scoreTokens(tokens: readonly GeneratedToken[], thinkingTokens = 0): TokenScores {
  const own = tokens.slice(thinkingTokens);
  const answer = own.filter(({ endOfTurn }) => !endOfTurn);
  const paper = own.slice(0, -1);
  const sampled = answer.map(({ logProbability }) => logProbability);
  return {
    logProbabilities: tokens.map(({ logProbability }) => round4(logProbability)),
    uncertainty: summariseTokens(answer, sampled),
    uncertaintyPaper: summariseTokens(paper, paper.map(largest)),
    confidence: answer.length === 0 ? null : Math.exp(mean(sampled)),
    truncatedMass: answer.length === 0 ? null : mean(answer.map(truncatedMass)),
  };
}

/** The ten largest ln p of every position, as the side file keeps them. */
export function topLogProbabilities(tokens: readonly GeneratedToken[]): number[][] {
  return tokens.map((token) => token.topLogProbabilities.map(round4));
}

/** Perplexity exp(−mean ln p), mean p, and mean entropy; null without tokens. */
function summariseTokens(
  tokens: readonly GeneratedToken[],
  logProbabilities: readonly number[],
): Uncertainty | null {
  if (tokens.length === 0) return null;
  return {
    perplexity: Math.exp(-mean(logProbabilities)),
    entropy: mean(tokens.map(entropyNats)),
    probability: mean(logProbabilities.map(Math.exp)),
  };
}

/** −Σ p ln p over the ten largest, not renormalised: the truncated mass is stated beside it. */
function entropyNats({ topLogProbabilities }: GeneratedToken): number {
  return topLogProbabilities.reduce(
    (sum, logP) => (logP === -Infinity ? sum : sum - Math.exp(logP) * logP),
    0,
  );
}

function truncatedMass({ topLogProbabilities }: GeneratedToken): number {
  return Math.max(0, 1 - topLogProbabilities.reduce((sum, logP) => sum + Math.exp(logP), 0));
}

function largest({ topLogProbabilities }: GeneratedToken): number {
  const first = topLogProbabilities[0];
  if (first === undefined) throw new Error('internal: a token without its largest log-probabilities');
  return first;
}

/** Four decimals; never −0, which JSON would not keep. */
const round4 = (value: number) => Math.round(value * 1e4) / 1e4 + 0;
