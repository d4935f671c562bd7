import type { Generation } from './model.ts';

/** A completion with the model's thinking aloud, `<think>…</think>` before the answer, split off. */
export interface SplitCompletion {
  /** Without tags and outer white space, '' for an empty block; null: the model did not think aloud. */
  readonly thinking: string | null;
  /** What is judged as the answer; '' where the thinking never came to an end. */
  readonly answer: string;
  /** How many of the first tokens are no part of the answer: thinking, its tags, and white space after them. */
  readonly thinkingTokens: number;
}

const open = '<think>';
const close = '</think>';

/**
 * Splits a completion to the rendered `prompt`. Thinking begins where the prompt ends in an opening tag (some templates
 * write it) or the completion begins with one; later tags are the answer's own words. Without a closing tag everything
 * is thinking.
 */
export function splitThinking(
  prompt: string,
  { text, tokens }: Pick<Generation, 'text' | 'tokens'>,
): SplitCompletion {
  const opening = /^\s*<think>/.exec(text);
  if (!opening && !prompt.trimEnd().endsWith(open))
    return { thinking: null, answer: text, thinkingTokens: 0 };
  const body = opening ? text.slice(opening[0].length) : text;
  const end = body.indexOf(close);
  if (end < 0) return { thinking: body.trim(), answer: '', thinkingTokens: tokens.length };
  return {
    thinking: body.slice(0, end).trim(),
    answer: body.slice(end + close.length).trimStart(),
    thinkingTokens: countThinking(tokens),
  };
}

/** Tokens up to the one that ends the closing tag, and the blank ones after it. */
function countThinking(tokens: Generation['tokens']): number {
  let text = '';
  let count = 0;
  while (count < tokens.length && !text.includes(close)) text += tokens[count++]!.text;
  while (count < tokens.length && !tokens[count]!.endOfTurn && tokens[count]!.text.trim() === '') count++;
  return count;
}

/** Thinking and answer as one text, for a judge who is to see both; without tags, which a judge's template may act on. */
export function withThinking(thinking: string, answer: string): string {
  return answer === '' ? thinking : `${thinking}\n\n${answer}`;
}
