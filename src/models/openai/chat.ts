import { z } from 'zod';
import type { Conversation } from '../../conversation.ts';
import type { Decoding, Generation, Prompt, PromptText } from '../../model.ts';
import type { ServerCapabilities } from '../../server-record.ts';
import { readPositions, type ServerPosition, tokenLogprobs, toTokens } from './tokens.ts';

/** Requests to `/chat/completions` and what comes back. */

export interface ChatSettings {
  /** The model's name there. */
  readonly model: string;
  /** Largest top_logprobs to ask for; null: log-probabilities are not asked for. */
  readonly topLogProbabilities: number | null;
  readonly enableThinking: boolean | null;
  readonly prefill: ServerCapabilities['prefill'];
}

/** The largest number that OpenAI's API and vLLM's default allow. */
export const mostTopLogprobs = 20;

/** The messages of a prompt, with what makes a server go on from a beginning of the answer. */
export function messagesOf(
  { messages, prefill }: PromptText,
  how: ServerCapabilities['prefill'],
): { messages: Conversation; continue_final_message?: true; add_generation_prompt?: false } {
  if (!prefill) return { messages };
  if (how === null) throw new Error('internal: an answer’s beginning cannot be given here');
  return {
    messages: [...messages, { role: 'assistant', content: prefill }],
    ...(how === 'continue_final_message' && { continue_final_message: true, add_generation_prompt: false }),
  };
}

export function chatRequest(settings: ChatSettings, prompt: Prompt, decoding: Decoding): object {
  const { maxTokens, temperature, topP, topK, minP, stop, topLogProbabilities = 10 } = decoding;
  const { model, topLogProbabilities: most, enableThinking } = settings;
  return {
    model,
    ...messagesOf(prompt, settings.prefill),
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    seed: prompt.seed,
    ...(topK !== undefined && { top_k: topK }),
    ...(minP !== undefined && { min_p: minP }),
    ...(stop && { stop }),
    ...(most !== null && { logprobs: true, top_logprobs: Math.min(topLogProbabilities, most) }),
    ...(enableThinking !== null && { chat_template_kwargs: { enable_thinking: enableThinking } }),
  };
}

const chatCompletion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({
          content: z.string().nullish(),
          /** What a thinking model thought aloud: vLLM's older and newer name for it, and llama-server's. */
          reasoning_content: z.string().nullish(),
          reasoning: z.string().nullish(),
        }),
        finish_reason: z.string().nullish(),
        logprobs: tokenLogprobs.nullish().catch(null),
      }),
    )
    .min(1),
  usage: z
    .object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0).nullish() })
    .nullish()
    .catch(null),
  system_fingerprint: z.string().nullish().catch(null),
});

/** What a server answered; of several choices the first. */
export interface ChatAnswer {
  readonly text: string;
  readonly positions: readonly ServerPosition[];
  readonly finishReason: Generation['finishReason'];
  /** Null where the server does not count. */
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly systemFingerprint: string | null;
}

/** Reasons that are no end of an answer: the server broke off. */
const brokenOff = ['abort', 'error'];

/** Null for what is not a whole chat completion. */
export function readChatAnswer(body: string): ChatAnswer | null {
  const parsed = chatCompletion.safeParse(parseJson(body));
  if (!parsed.success) return null;
  const { choices, usage, system_fingerprint } = parsed.data;
  const { message, finish_reason: reason, logprobs } = choices[0]!;
  if (reason && brokenOff.includes(reason)) return null;
  const thought = message.reasoning_content ?? message.reasoning;
  const text = message.content ?? '';
  return {
    text: thought ? `<think>${thought}</think>\n\n${text}` : text,
    positions: readPositions(logprobs),
    finishReason: reason === 'length' || reason === 'content_filter' ? reason : 'stop',
    promptTokens: usage?.prompt_tokens ?? null,
    completionTokens: usage?.completion_tokens ?? null,
    systemFingerprint: system_fingerprint ?? null,
  };
}

/** `promptTokens`: counted here where the server does not count; `most`: how many of the likeliest tokens are kept. */
export function toGeneration(
  answer: ChatAnswer,
  { prefill }: PromptText,
  { promptTokens, most }: { readonly promptTokens: number; readonly most: number },
): Generation {
  const { text, positions, finishReason } = answer;
  // Some servers repeat the beginning they were given.
  const own = prefill && text.startsWith(prefill) ? text.slice(prefill.length) : text;
  return {
    text: own,
    tokens: toTokens(positions, { text: own, stopped: finishReason === 'stop', most }),
    finishReason,
    promptTokens,
    ...(prefill && { prefill }),
  };
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
