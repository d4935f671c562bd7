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
  readonly dialect?: ServerCapabilities['dialect'];
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

/** What makes a thinking model think aloud or not; Ollama knows no arguments of chat templates, and thinks unless told. */
export function thinkingOf({ enableThinking, dialect }: ChatSettings): object {
  if (enableThinking === null) return {};
  if (dialect === 'ollama') return enableThinking ? {} : { reasoning_effort: 'none' };
  return { chat_template_kwargs: { enable_thinking: enableThinking } };
}

/**
 * `top_p` is given where something is sampled: a server's own may be less than 1. TGI refuses 1, and means it where
 * nothing is said.
 */
export function chatRequest(settings: ChatSettings, prompt: Prompt, decoding: Decoding): object {
  const { maxTokens, temperature, topP, topK, minP, stop, topLogProbabilities = 10 } = decoding;
  const { model, topLogProbabilities: most, dialect } = settings;
  return {
    model,
    ...messagesOf(prompt, settings.prefill),
    max_tokens: maxTokens,
    temperature,
    ...(temperature > 0 && !(topP === 1 && dialect === 'tgi') && { top_p: topP }),
    seed: prompt.seed,
    ...(topK !== undefined && { top_k: topK }),
    ...(minP !== undefined && { min_p: minP }),
    ...(stop && { stop }),
    ...(most !== null && { logprobs: true, top_logprobs: Math.min(topLogProbabilities, most) }),
    ...thinkingOf(settings),
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
  // Ollama ends an answer that goes round in circles without a reason, and has counted nothing.
  const givenUp = !reason && text !== '' && usage?.completion_tokens === 0;
  return {
    text: thought ? `<think>${thought}</think>\n\n${text}` : text,
    positions: readPositions(logprobs),
    finishReason: givenUp ? 'length' : reason === 'length' || reason === 'content_filter' ? reason : 'stop',
    promptTokens: givenUp ? null : (usage?.prompt_tokens ?? null),
    completionTokens: givenUp ? null : (usage?.completion_tokens ?? null),
    systemFingerprint: system_fingerprint ?? null,
  };
}

/**
 * `promptTokens`: counted here where the server does not count; `most`: how many of the likeliest tokens are kept;
 * `stop`: what ends an answer before it.
 */
export function toGeneration(
  answer: ChatAnswer,
  { prefill }: PromptText,
  {
    promptTokens,
    most,
    stop = [],
  }: { readonly promptTokens: number; readonly most: number; readonly stop?: readonly string[] },
): Generation {
  const { text, positions, finishReason } = answer;
  // Some servers repeat the beginning they were given.
  const whole = prefill && text.startsWith(prefill) ? text.slice(prefill.length) : text;
  // TGI leaves the stop string that ended it.
  const left = finishReason === 'stop' ? stop.find((one) => whole.endsWith(one)) : undefined;
  const own = left ? whole.slice(0, -left.length) : whole;
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
