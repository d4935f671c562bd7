import { z } from 'zod';
import type { PromptText } from '../model.ts';
import { mostTop, readRequest, sampling } from './request.ts';

const id = z.number().int().min(0);

const request = z.object({
  ...sampling,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(256),
    z.array(id).min(1),
    z.array(z.array(id).min(1)).min(1).max(256),
  ]),
  /** 0 with `echo`: the prompt is scored and nothing more. */
  max_tokens: z.number().int().min(0).nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(mostTop).nullish(),
});

export type CompletionRequest = z.infer<typeof request>;

const neutral = { suffix: [''], best_of: [1], prompt_embeds: [], add_special_tokens: [true] };

/** @throws ServeError 400 that names the parameter which is wrong or not supported. */
export const readCompletionRequest = (body: unknown): CompletionRequest =>
  readRequest(request, body, neutral);

/** One or many, of text or of token ids. */
export function promptsOf({ prompt }: Pick<CompletionRequest, 'prompt'>): PromptText[] {
  const raw = (one: string | number[]): PromptText => ({ messages: [], raw: one });
  if (typeof prompt === 'string' || typeof prompt[0] === 'number') return [raw(prompt as string | number[])];
  return (prompt as (string | number[])[]).map(raw);
}
