import { z } from 'zod';
import { type ChatRequest, chatPrompt, promptOf, templateNeutral } from './chat-request.ts';
import { ServeError } from './problem.ts';
import { readRequest } from './request.ts';
import { type ServedModel, servedModel } from './served-model.ts';

/** vLLM's routes about tokens, which lie beside /v1. */

const shared = { model: z.string().nullish(), return_token_strs: z.boolean().nullish() };
const text = z.object({ ...shared, prompt: z.string(), add_special_tokens: z.boolean().nullish() });
const chat = z.object({ ...shared, ...chatPrompt });
const ids = z.object({ model: z.string().nullish(), tokens: z.array(z.number().int().min(0)) });

/** A request that names no model is about the base. */
function target(served: readonly ServedModel[], name: string | null | undefined) {
  const { model } = typeof name === 'string' ? servedModel(served, name) : served[0]!;
  const { tokenIds, textsOf, specialTokens } = model;
  if (!tokenIds || !textsOf || !specialTokens)
    throw new ServeError(501, 'this model cannot be served', 'server_error');
  return { tokenIds, textsOf, specialTokens, contextLength: model.contextLength };
}

/** POST /tokenize: a text, or a conversation through the template. */
export async function tokenize(served: readonly ServedModel[], body: unknown): Promise<object> {
  const isChat = typeof body === 'object' && body !== null && 'messages' in body;
  const asked = isChat ? readRequest(chat, body, templateNeutral) : readRequest(text, body);
  const { tokenIds, textsOf, contextLength } = target(served, asked.model);
  const prompt = isChat ? promptOf(asked as ChatRequest) : { messages: [], raw: (asked as Text).prompt };
  const bare = !isChat && (asked as Text).add_special_tokens === false;
  const [tokens] = await tokenIds([prompt], bare);
  const token_strs = asked.return_token_strs ? await textsOf(tokens!.map((id) => [id])) : null;
  return { count: tokens!.length, max_model_len: contextLength, tokens, token_strs };
}
type Text = z.infer<typeof text>;

/** POST /detokenize. */
export async function detokenize(served: readonly ServedModel[], body: unknown): Promise<object> {
  const { model, tokens } = readRequest(ids, body);
  const { textsOf, tokenIds } = target(served, model);
  // Refuses ids that no token has, which would be left out in silence.
  await tokenIds([{ messages: [], raw: tokens }]);
  const [prompt] = await textsOf([tokens]);
  return { prompt };
}

/** GET /tokenizer_info: what a client that counts tokens needs to know. */
export async function tokenizerInfo(served: readonly ServedModel[]): Promise<object> {
  const { eos, bos, template } = await target(served, null).specialTokens();
  return { eos_token: eos, bos_token: bos, pad_token: null, chat_template: template };
}
