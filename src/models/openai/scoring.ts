import { z } from 'zod';
import { AuditError } from '../../errors.ts';
import type { ChatTokenizer } from '../../lm/tokenizer.ts';
import type { ContinuationScore, PromptText } from '../../model.ts';
import type { Scoring } from '../../server-record.ts';
import { messagesOf, parseJson, thinkingOf } from './chat.ts';
import type { AskOptions } from './chat-model.ts';
import { type PromptToken, readEchoed, readPromptLogprobs, scoreBeyond } from './likelihood.ts';
import type { Pool } from './pool.ts';

/** Given answers scored by a server: every one is sent as a prompt, and its beginning alone tells where it starts. */

/** Who is asked, and what makes a prompt of a conversation for completions, which know no chat template. */
export interface ScoringOptions extends AskOptions {
  readonly scoring: Scoring;
  /** Of `model.weights`: needed where completions are given text. */
  readonly tokenizer: ChatTokenizer | null;
}

/** Each continuation behind the prompt. @throws AuditError `model` where the server leaves one without a number. */
export async function scoreAnswers(
  pool: Pool,
  options: ScoringOptions,
  { messages, prefill = '' }: PromptText,
  continuations: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ContinuationScore[]> {
  const read = options.scoring === 'prompt_logprobs' ? promptLogprobs : echo;
  const before = await read(pool, options, { messages, prefill }, signal);
  const scores: ContinuationScore[] = [];
  for (const continuation of continuations) {
    const whole = await read(pool, options, { messages, prefill: prefill + continuation }, signal);
    const score = scoreBeyond(before, whole);
    if (score === null)
      throw new AuditError(
        'model',
        `${options.name}: gives no likelihood of ${JSON.stringify(continuation)}`,
      );
    scores.push(score);
  }
  return scores;
}

const mostOf =
  ({ countTokens }: AskOptions, { messages, prefill = '' }: PromptText) =>
  () => ({ read: countTokens(messages) + prefill.length, written: 1 });

function promptLogprobs(
  pool: Pool,
  options: ScoringOptions,
  prompt: PromptText,
  signal: AbortSignal | undefined,
): Promise<PromptToken[]> {
  const { model, name, prefill } = options;
  const body = {
    model,
    ...messagesOf(prompt, prefill),
    ...{ max_tokens: 1, temperature: 0, prompt_logprobs: 0 },
    ...thinkingOf(options),
  };
  const question = {
    path: 'chat/completions',
    body,
    name,
    read: readPromptLogprobs,
    most: mostOf(options, prompt),
  };
  return pool.ask(question, signal);
}

/** One token more is drawn and left out: not every server takes 0 for none. */
async function echo(
  pool: Pool,
  options: ScoringOptions,
  prompt: PromptText,
  signal: AbortSignal | undefined,
): Promise<PromptToken[]> {
  const { model, name } = options;
  const body = {
    ...{ model, prompt: await completionPrompt(pool, options, prompt, signal) },
    ...{ max_tokens: 1, temperature: 0, echo: true, logprobs: 1 },
  };
  const question = { path: 'completions', body, name, read: readEchoed, most: mostOf(options, prompt) };
  return pool.ask(question, signal);
}

const ids = z.object({ tokens: z.array(z.int()) });

/** A conversation as completions take it: token ids by the server's own template, or text by that of the weights. */
async function completionPrompt(
  pool: Pool,
  options: ScoringOptions,
  prompt: PromptText,
  signal: AbortSignal | undefined,
): Promise<string | number[]> {
  const { scoring, tokenizer, model, name } = options;
  if (scoring === 'echo of tokens') {
    const body = {
      ...{ model, ...messagesOf(prompt, 'continue_final_message') },
      ...thinkingOf(options),
    };
    const read = (text: string) => ids.safeParse(parseJson(text)).data?.tokens ?? null;
    const tokens = await pool.ask({ path: '/tokenize', body, name, read }, signal);
    // llama-server reads another field, and finds nothing.
    if (tokens.length === 0) throw new AuditError('model', `${name}: /tokenize knows no conversations`);
    return tokens;
  }
  if (!tokenizer) throw new Error('internal: no template to write prompts by');
  const text = tokenizer.render(prompt.messages, { addGenerationPrompt: true }) + (prompt.prefill ?? '');
  const { bos } = tokenizer;
  return scoring === 'echo of text without BOS' && bos && text.startsWith(bos)
    ? text.slice(bos.length)
    : text;
}
