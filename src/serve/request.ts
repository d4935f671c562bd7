import { randomInt } from 'node:crypto';
import { z } from 'zod';
import type { Decoding, LanguageModel } from '../model.ts';
import { ServeError } from './problem.ts';

/** What requests for chats and for completions have in common. */

export const count = z.number().int().min(1);

/** The most alternatives per token that are told, as OpenAI's. */
export const mostTop = 20;

export const sampling = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.number().int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  n: count.max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  prompt_logprobs: z.number().int().min(0).max(mostTop).nullish(),
};

/**
 * OpenAI's and vLLM's parameters that are accepted only with the values that change nothing, or only as null: ignoring
 * another would answer a different question.
 * Source: OpenAI's API reference, "Create chat completion"; vLLM's OpenAI-compatible server, extra parameters.
 */
const neutral: Record<string, readonly unknown[]> = {
  ...{ logit_bias: [{}], presence_penalty: [0], frequency_penalty: [0], repetition_penalty: [1] },
  ...{ stop_token_ids: [[]], ignore_eos: [false], min_tokens: [0], bad_words: [[]], allowed_token_ids: [] },
  ...{ use_beam_search: [false], length_penalty: [1], truncate_prompt_tokens: [], response_format: [] },
  ...{ skip_special_tokens: [true], spaces_between_special_tokens: [true] },
  ...{ include_stop_str_in_output: [false], return_tokens_as_token_ids: [false], return_token_ids: [false] },
};

/** What changes no answer, whatever it is: who asks, what for, how it is cached, stored and paid. */
const ignored = new Set([
  ...['user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'service_tier'],
  ...['store', 'prediction', 'parallel_tool_calls', 'request_id', 'priority', 'cache_salt'],
]);

/**
 * A request, every name of which is known: one that nobody here knows may ask for something.
 * @param more names as in `neutral` that this kind of request has as well.
 * @throws ServeError 400 that names the parameter which is wrong or not supported.
 */
export function readRequest<S extends z.ZodObject>(
  schema: S,
  body: unknown,
  more: Record<string, readonly unknown[]> = {},
): z.output<S> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const name = path.join('.') || 'body';
    throw new ServeError(400, `${name}: ${message}`, 'invalid_request_error', name);
  }
  for (const [name, value] of Object.entries(body as object)) {
    if (value === null || ignored.has(name) || Object.hasOwn(schema.shape, name)) continue;
    const harmless = { ...neutral, ...more }[name] ?? [];
    if (!harmless.some((one) => JSON.stringify(one) === JSON.stringify(value)))
      throw new ServeError(400, `${name} is not supported`, 'invalid_request_error', name);
  }
  if ('stream' in parsed.data && parsed.data.stream && typeof parsed.data.prompt_logprobs === 'number')
    throw new ServeError(
      400,
      'prompt_logprobs: not while streaming',
      'invalid_request_error',
      'prompt_logprobs',
    );
  return parsed.data;
}

export type SamplingRequest = { readonly [K in keyof typeof sampling]?: z.infer<(typeof sampling)[K]> };

/** Without a length an answer may fill the context, as on vLLM; without a seed it is drawn anew. */
export function decodingOf(
  asked: SamplingRequest,
  maxTokens: number | null | undefined,
  top: number | null,
  { contextLength }: LanguageModel,
): Decoding {
  const topK = asked.top_k ?? -1;
  return {
    maxTokens: maxTokens ?? contextLength,
    temperature: asked.temperature ?? 1,
    topP: asked.top_p ?? 1,
    ...(topK > 0 && { topK }),
    minP: asked.min_p ?? 0,
    stop: typeof asked.stop === 'string' ? [asked.stop] : (asked.stop ?? []),
    seed: asked.seed ?? randomInt(2 ** 31),
    topLogProbabilities: Math.max(1, top ?? 0),
    ...(top !== null && { namesTop: true }),
  };
}
