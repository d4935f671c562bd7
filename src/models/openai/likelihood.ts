import { z } from 'zod';
import type { ContinuationScore } from '../../model.ts';
import { parseJson } from './chat.ts';
import { isNumber, textTokens, tokenId } from './tokens.ts';

/** How likely given texts are, as servers say it: prompts with a number for every token. */

/** A token of a prompt. */
export interface PromptToken {
  readonly id: number;
  readonly text: string;
  /** Null where the server gives no number, as for the first. */
  readonly logProbability: number | null;
  /** Whether none is likelier at its place. */
  readonly greedy: boolean;
}

/** Of one position, by token id. */
const position = z.record(
  z.string(),
  z.object({
    logprob: z.number().nullable(),
    rank: z.number().nullish(),
    decoded_token: z.string().nullish(),
  }),
);
const scored = z.object({ prompt_logprobs: z.array(position.nullable()).min(2) });

/**
 * A prompt's tokens. A position holds the token that stands there and, where asked for, likelier ones: the token is the
 * one of the highest rank, or the only one. Null for a body without them.
 * Source: vLLM's OpenAI-compatible server, `prompt_logprobs` (its protocol's extra parameters).
 */
export function readPromptLogprobs(body: string): PromptToken[] | null {
  const parsed = scored.safeParse(parseJson(body));
  if (!parsed.success) return null;
  return parsed.data.prompt_logprobs.map((entry) => {
    const all = Object.entries(entry ?? {});
    const [id, token] = all.toSorted(([, a], [, b]) => (b.rank ?? 0) - (a.rank ?? 0))[0] ?? [];
    return {
      id: Number(id ?? -1),
      text: token?.decoded_token ?? '',
      logProbability: isNumber(token?.logprob) ? token.logprob : null,
      greedy: token?.rank === 1,
    };
  });
}

const echoed = z.object({
  choices: z.array(z.object({ logprobs: textTokens })).min(1),
  usage: z.object({ completion_tokens: z.int().min(0) }),
});

/**
 * A prompt's tokens from a completion that repeats it, whose own tokens come last and are left out. Null for a body
 * without them.
 * Source: OpenAI's API reference, "Create completion", `echo` and `logprobs`.
 */
export function readEchoed(body: string): PromptToken[] | null {
  const parsed = echoed.safeParse(parseJson(body));
  if (!parsed.success) return null;
  const { tokens, token_logprobs: own, top_logprobs: top } = parsed.data.choices[0]!.logprobs;
  const count = tokens.length - parsed.data.usage.completion_tokens;
  if (count < 1 || own.length < count) return null;
  return tokens.slice(0, count).map((text, at) => {
    const logprob = own[at];
    const others = Object.values(top?.[at] ?? {});
    return {
      id: tokenId({ token: text }),
      text,
      logProbability: isNumber(logprob) ? Math.min(0, logprob) : null,
      greedy: isNumber(logprob) && logprob >= Math.max(logprob, ...others),
    };
  });
}

/**
 * Σ ln p of what a prompt has from the first token on that another, its beginning, does not have: a token that joins
 * the two belongs to the continuation, as with the embedded engine. Null where a number is missing.
 */
export function scoreBeyond(
  before: readonly PromptToken[],
  whole: readonly PromptToken[],
): ContinuationScore | null {
  const differs = before.findIndex(({ id }, at) => id !== whole[at]?.id);
  const tokens = [];
  let [sum, greedy] = [0, true];
  for (const { id, text, logProbability, greedy: isBest } of whole.slice(
    differs < 0 ? before.length : differs,
  )) {
    if (logProbability === null) return null;
    tokens.push({ id, text, logProbability });
    sum += logProbability;
    greedy &&= isBest;
  }
  return tokens.length === 0 ? null : { logProbability: sum, tokens, greedy };
}
