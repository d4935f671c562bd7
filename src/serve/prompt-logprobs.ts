import type { NamedToken, ScoredToken } from '../model.ts';

interface Entry {
  readonly logprob: number;
  readonly rank: number;
  readonly decoded_token: string;
}

/**
 * A scored prompt as vLLM's `prompt_logprobs`: null for the first token, then by token id the one that stands there and
 * the `k` likeliest. JSON objects keep no order of numbers here: ranks tell them apart.
 * Source: vLLM's OpenAI-compatible server, `prompt_logprobs` (its protocol's extra parameters).
 */
export function promptLogprobs(scored: readonly ScoredToken[], k: number): (Record<string, Entry> | null)[] {
  const entryOf = ({ id, text, logProbability }: NamedToken, rank: number) =>
    [id, { logprob: logProbability, rank, decoded_token: text }] as const;
  return scored.map(({ logProbability, rank, top, ...token }) =>
    logProbability === null || rank === null
      ? null
      : Object.fromEntries([
          ...top.slice(0, k).map((one, at) => entryOf(one, at + 1)),
          entryOf({ ...token, logProbability }, rank),
        ]),
  );
}
