import { z } from 'zod';
import type { ContinuationScore } from '../../model.ts';

/** How likely a given answer is, from vLLM's `prompt_logprobs`: the answer is sent as a prompt that is gone on from. */

/** Of one position, by token id; the token that stands there is among them, and first. */
const position = z.record(
  z.string(),
  z.object({
    logprob: z.number().nullable(),
    rank: z.number().nullish(),
    decoded_token: z.string().nullish(),
  }),
);
const scored = z.object({
  prompt_logprobs: z.array(position.nullable()),
  usage: z.object({ prompt_tokens: z.int().min(1) }).nullish(),
});

/** A whole prompt as the server read it; null at the first position. */
export type PromptPositions = readonly (z.output<typeof position> | null)[];

/** Null for what holds no prompt_logprobs. */
export function readPromptPositions(body: unknown): PromptPositions | null {
  const parsed = scored.safeParse(body);
  return parsed.success && parsed.data.prompt_logprobs.length > 1 ? parsed.data.prompt_logprobs : null;
}

/**
 * Σ ln p of what a prompt has beyond its first `before` positions. A position holds the token that stands there and,
 * where asked for, likelier ones: the token is the one of the highest rank, or the only one.
 * Null where a number is missing.
 * Source: vLLM's OpenAI-compatible server, `prompt_logprobs` (its protocol's extra parameters).
 */
export function scoreBeyond(positions: PromptPositions, before: number): ContinuationScore | null {
  const tokens: { id: number; text: string; logProbability: number }[] = [];
  let greedy = true;
  for (const entry of positions.slice(before)) {
    const all = Object.entries(entry ?? {});
    const [id, token] = all.toSorted(([, a], [, b]) => (b.rank ?? 0) - (a.rank ?? 0))[0] ?? [];
    if (!token || token.logprob === null || token.logprob <= -9000) return null;
    greedy &&= token.rank === 1;
    tokens.push({ id: Number(id), text: token.decoded_token ?? '', logProbability: token.logprob });
  }
  if (tokens.length === 0) return null;
  return { logProbability: tokens.reduce((sum, one) => sum + one.logProbability, 0), tokens, greedy };
}
