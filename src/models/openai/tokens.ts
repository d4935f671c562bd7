import { z } from 'zod';
import { sha256 } from '../../hash.ts';
import type { GeneratedToken } from '../../model.ts';

/** A server's tokens and log-probabilities as ours; every server writes them a little differently. */

const bytes = z.array(z.number()).nullish();
const entry = z.object({ token: z.string().default(''), logprob: z.number().nullish(), bytes });
const chatTokens = z.object({
  content: z.array(entry.extend({ top_logprobs: z.array(entry).nullish() })).nullish(),
});
/** The shape of completions, which llama-cpp-python has given for chats as well. */
export const textTokens = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
});
export const tokenLogprobs = z.union([textTokens, chatTokens]);

/**
 * vLLM writes −9999 where it has no number: JSON knows no infinity. No token that is among the likeliest, or was drawn,
 * is as unlikely as this.
 */
const leastPlausible = -9000;
export const isNumber = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value > leastPlausible && value < 1e-3;

interface ServerToken {
  readonly token: string;
  readonly bytes?: readonly number[] | null | undefined;
}

/** What tells a token from others: its bytes, where given; a token inside a character has no text of its own. */
export function tokenId({ token, bytes }: ServerToken): number {
  return Number.parseInt(sha256(bytes ? Uint8Array.from(bytes) : token).slice(0, 12), 16);
}

const textOf = ({ token, bytes }: ServerToken): string =>
  bytes ? new TextDecoder().decode(Uint8Array.from(bytes)) : token;

/** One position: what was drawn and what else was likely, each with its id. */
export interface ServerPosition {
  readonly text: string;
  readonly id: number;
  /** Null where the server gives no number. */
  readonly logProbability: number | null;
  /** Descending; without those that have no number. */
  readonly top: readonly { readonly text: string; readonly id: number; readonly logProbability: number }[];
}

export function readPositions(logprobs: z.output<typeof tokenLogprobs> | null | undefined): ServerPosition[] {
  if (!logprobs) return [];
  const positions =
    'tokens' in logprobs
      ? logprobs.tokens.map((token, at) => ({
          ...{ token, logprob: logprobs.token_logprobs[at], bytes: null },
          top_logprobs: Object.entries(logprobs.top_logprobs?.[at] ?? {}).map(([text, logprob]) => ({
            ...{ token: text, logprob, bytes: null },
          })),
        }))
      : (logprobs.content ?? []);
  return positions.map((position) => ({
    text: textOf(position),
    id: tokenId(position),
    logProbability: isNumber(position.logprob) ? Math.min(0, position.logprob) : null,
    top: (position.top_logprobs ?? [])
      .flatMap((one) =>
        isNumber(one.logprob)
          ? [{ text: textOf(one), id: tokenId(one), logProbability: Math.min(0, one.logprob) }]
          : [],
      )
      .sort((a, b) => b.logProbability - a.logProbability),
  }));
}

/**
 * An answer's tokens, at most `most` of the likeliest beside each; none at all where one of them has no number, since
 * no mean over the rest is the answer's.
 * `text`: the answer. Tokens that add nothing to it (the end of the turn, a stop string) are marked.
 */
export function toTokens(
  positions: readonly ServerPosition[],
  { text, stopped, most }: { readonly text: string; readonly stopped: boolean; readonly most: number },
): GeneratedToken[] {
  if (positions.some(({ logProbability }) => logProbability === null)) return [];
  // Where a server has trimmed the text, or parted the reasoning from it, places in it mean nothing.
  const aligned =
    text !== '' &&
    positions
      .map((position) => position.text)
      .join('')
      .startsWith(text);
  let length = 0;
  return positions.map(({ text: own, id, logProbability, top }, at) => {
    const begins = length;
    length += own.length;
    const last = at === positions.length - 1;
    const largest = top.map((one) => one.logProbability).slice(0, most);
    return {
      id,
      text: own,
      logProbability: logProbability!,
      topLogProbabilities: largest.length > 0 ? largest : [logProbability!],
      endOfTurn: stopped && ((last && isSpecial(own)) || (aligned && begins >= text.length)),
    };
  });
}

/** What servers write for an end-of-turn token. */
const isSpecial = (text: string) => text === '' || /^<[|/]?[\w|▁ -]+>$/.test(text);
