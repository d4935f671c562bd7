import { randomInt } from 'node:crypto';
import { z } from 'zod';
import type { Decoding, LanguageModel, PromptText } from '../model.ts';
import { ServeError } from './problem.ts';

const part = z.object({ type: z.literal('text'), text: z.string() });
const message = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.union([z.string(), z.array(part).transform((parts) => parts.map(({ text }) => text).join(''))]),
});
const count = z.number().int().min(1);

/** Accepted only with the value that changes nothing: ignoring another would answer a different question. */
const neutral: Record<string, readonly unknown[]> = {
  tools: [[]],
  tool_choice: ['none', 'auto'],
  functions: [[]],
  response_format: [{ type: 'text' }],
  logit_bias: [{}],
  presence_penalty: [0],
  frequency_penalty: [0],
  repetition_penalty: [1],
  top_logprobs: [0],
  modalities: [['text']],
  audio: [],
  chat_template: [],
  chat_template_kwargs: [{}],
  stop_token_ids: [[]],
  ignore_eos: [false],
  min_tokens: [0],
  echo: [false],
  reasoning_effort: [],
};

const request = z.object({
  model: z.string(),
  messages: z.array(message).min(1),
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.number().int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  max_tokens: count.nullish(),
  max_completion_tokens: count.nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  n: count.max(16).nullish(),
  logprobs: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
});

export type ChatRequest = z.infer<typeof request>;

/** @throws ServeError 400 that names the parameter which is wrong or not supported. */
export function readChatRequest(body: unknown): ChatRequest {
  const parsed = request.safeParse(body);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const name = path.join('.') || 'body';
    throw new ServeError(400, `${name}: ${message}`, 'invalid_request_error', name);
  }
  for (const [name, value] of Object.entries(body as object)) {
    const harmless = neutral[name];
    if (!harmless || value === null) continue;
    if (!harmless.some((one) => JSON.stringify(one) === JSON.stringify(value)))
      throw new ServeError(400, `${name} is not supported`, 'invalid_request_error', name);
  }
  return parsed.data;
}

/**
 * The prompt; a final message to be continued becomes the answer's beginning.
 * @throws ServeError 400 for flags that contradict each other.
 */
export function promptOf(asked: ChatRequest): PromptText {
  const goesOn = asked.continue_final_message ?? false;
  const opens = asked.add_generation_prompt ?? !goesOn;
  if (goesOn === opens) {
    const why = 'exactly one of add_generation_prompt and continue_final_message must be true';
    throw new ServeError(400, why, 'invalid_request_error', 'add_generation_prompt');
  }
  const last = asked.messages.at(-1)!;
  if (!goesOn) return { messages: asked.messages };
  if (last.role !== 'assistant') {
    const why = 'continue_final_message: the last message must be the assistant’s';
    throw new ServeError(400, why, 'invalid_request_error', 'continue_final_message');
  }
  return { messages: asked.messages.slice(0, -1), prefill: last.content };
}

/** Without a length an answer may fill the context, as on vLLM; without a seed it is drawn anew. */
export function decodingOf(asked: ChatRequest, { contextLength }: LanguageModel): Decoding {
  const topK = asked.top_k ?? -1;
  return {
    maxTokens: asked.max_completion_tokens ?? asked.max_tokens ?? contextLength,
    temperature: asked.temperature ?? 1,
    topP: asked.top_p ?? 1,
    ...(topK > 0 && { topK }),
    minP: asked.min_p ?? 0,
    stop: typeof asked.stop === 'string' ? [asked.stop] : (asked.stop ?? []),
    seed: asked.seed ?? randomInt(2 ** 31),
    topLogProbabilities: 1,
  };
}
