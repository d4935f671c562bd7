import type { Generation } from '../model.ts';

/** The token counts of OpenAI's `usage`. */
export function usageOf(prompt: number, generations: readonly Generation[]): object {
  const completion = generations.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
