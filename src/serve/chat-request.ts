import { z } from 'zod';
import type { PromptText } from '../model.ts';
import { ServeError } from './problem.ts';
import { count, mostTop, readRequest, sampling } from './request.ts';

const part = z.object({ type: z.literal('text'), text: z.string() });
const message = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.union([z.string(), z.array(part).transform((parts) => parts.map(({ text }) => text).join(''))]),
});
/** See `readRequest`. */
const neutral = {
  tool_choice: ['none', 'auto'],
  functions: [[]],
  function_call: ['none', 'auto'],
  response_format: [{ type: 'text' }],
  modalities: [['text']],
  verbosity: ['medium'],
  echo: [false],
};
/** Of templates, also where a conversation is only tokenized. */
export const templateNeutral = {
  chat_template: [],
  chat_template_kwargs: [{}],
  add_special_tokens: [false],
  documents: [[]],
  tools: [[]],
};

export const chatPrompt = {
  messages: z.array(message).min(1),
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
};

const request = z.object({
  ...sampling,
  ...chatPrompt,
  max_tokens: count.nullish(),
  max_completion_tokens: count.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(mostTop).nullish(),
});

export type ChatRequest = z.infer<typeof request>;

/** @throws ServeError 400 that names the parameter which is wrong or not supported. */
export function readChatRequest(body: unknown): ChatRequest {
  const asked = readRequest(request, body, { ...neutral, ...templateNeutral });
  if (!asked.top_logprobs || asked.logprobs) return asked;
  throw new ServeError(400, 'top_logprobs needs logprobs', 'invalid_request_error', 'top_logprobs');
}

/**
 * The prompt; a final message to be continued becomes the answer's beginning.
 * @throws ServeError 400 for flags that contradict each other.
 */
export function promptOf(
  asked: Pick<ChatRequest, 'messages' | 'add_generation_prompt' | 'continue_final_message'>,
): PromptText {
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
