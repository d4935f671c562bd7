import type { LanguageModel, PromptText } from './model.ts';

/** Multiple choice from likelihoods: the choice that the model would rather have written. */

/**
 * Σ ln p of every choice as the answer to a prompt; null where the model gives no number.
 * A chat template ends where the answer begins, so nothing is put between the two.
 * Source: github.com/EleutherAI/lm-evaluation-harness, `construct_requests` (no delimiter behind a chat template).
 */
export async function scoreChoices(
  model: LanguageModel,
  prompt: PromptText,
  choices: readonly string[],
  signal?: AbortSignal,
): Promise<(number | null)[]> {
  if (!model.loglikelihood) throw new Error(`internal: ${model.name} gives no likelihoods`);
  const scores = await model.loglikelihood(prompt, choices, signal);
  return choices.map((_, at) => {
    const value = scores[at]?.logProbability;
    return value !== undefined && Number.isFinite(value) ? value : null;
  });
}

/** What a choice's Σ ln p is divided by. Lengths are of the choice alone, in code points or UTF-8 bytes. */
export type ChoiceLength = 'none' | 'characters' | 'bytes';

/** A choice by its place, and whether another is exactly as good. */
export interface Choice {
  readonly index: number;
  readonly tied: boolean;
}

/**
 * The choice with the largest Σ ln p (acc), or Σ ln p per character (acc_norm) or byte (acc_bytes); of equal ones the
 * first, as numpy's argmax has it. Null where any choice's likelihood is missing: the best may be the missing one.
 * Source: github.com/EleutherAI/lm-evaluation-harness, `process_results` of multiple_choice.
 */
export function chooseBy(
  length: ChoiceLength,
  texts: readonly string[],
  logProbabilities: readonly (number | null)[],
): Choice | null {
  const scores = texts.map((text, at) => {
    const value = logProbabilities[at] ?? Number.NaN;
    return value / lengthOf(text, length);
  });
  if (scores.length === 0 || scores.some(Number.isNaN)) return null;
  const best = Math.max(...scores);
  const index = scores.indexOf(best);
  return { index, tied: scores.indexOf(best, index + 1) >= 0 };
}

function lengthOf(text: string, length: ChoiceLength): number {
  if (length === 'none') return 1;
  return length === 'bytes' ? Buffer.byteLength(text) : [...text].length;
}
