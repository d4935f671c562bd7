import type { Conversation } from '../../conversation.ts';
import { AuditError } from '../../errors.ts';
import { sha256 } from '../../hash.ts';
import type { TokenCount } from '../../lm/token-count.ts';
import type { Decoding, FirstTokenMass, Generation, LanguageModel, Prompt, PromptText } from '../../model.ts';
import { inParallel } from '../../parallel.ts';
import {
  type ChatAnswer,
  type ChatSettings,
  chatRequest,
  mostTopLogprobs,
  parseJson,
  readChatAnswer,
  toGeneration,
} from './chat.ts';
import type { Reply } from './connection.ts';
import { massFromTop } from './first-token.ts';
import type { Pool, Question } from './pool.ts';

/** A model behind a pool of servers: questions of our contract as requests. */

export interface AskOptions extends ChatSettings {
  /** For people: who is asked where. */
  readonly name: string;
  /** Requests under way at once. */
  readonly concurrency: number;
  /** The context, in tokens, that prompt and answer are cut to in silence; null: whoever is asked refuses what does not fit. */
  readonly cutAt?: number | null;
  readonly countTokens: TokenCount;
}

const plainText = (messages: Conversation) =>
  messages.map(({ role, content }) => `${role}:\n${content}`).join('\n\n');

/** An estimate: a quarter of the characters. */
export const quarterOfCharacters: TokenCount = (messages) => Math.ceil(plainText(messages).length / 4);

/**
 * A server shows no template: messages one after the other, for hashes. One function for all models behind a server:
 * what it has rendered need not be rendered for the next.
 */
export const renderPlain =
  (countTokens: TokenCount): LanguageModel['render'] =>
  async (conversations) =>
    conversations.map((messages) => {
      const text = plainText(messages);
      return {
        ...{ text, sha256: sha256(text) },
        // Counting takes a tokenizer its time, and most who ask for the text again have the number.
        get tokenCount() {
          return countTokens(messages);
        },
      };
    });

/** The answers in the prompts' order; after a failure nothing more is asked. */
export async function generate(
  pool: Pool,
  options: AskOptions,
  prompts: readonly Prompt[],
  decoding: Decoding,
  signal: AbortSignal | undefined,
): Promise<Generation[]> {
  const made = new Array<Generation>(prompts.length);
  await inParallel(prompts.entries(), options.concurrency, async ([at, prompt]) => {
    const answer = await askChat(pool, options, prompt, decoding, signal);
    refuseCut(options, answer);
    made[at] = toGeneration(answer, prompt, {
      promptTokens: answer.promptTokens ?? options.countTokens(prompt.messages),
      most: decoding.topLogProbabilities ?? 10,
      ...(decoding.stop && { stop: decoding.stop }),
    });
  });
  return made;
}

/** @throws AuditError `model` where Ollama has left something of the prompt out: of its middle, or of its start while it wrote. */
function refuseCut({ name, cutAt }: AskOptions, { promptTokens, completionTokens }: ChatAnswer): void {
  if (!cutAt || promptTokens === null || promptTokens + (completionTokens ?? 0) <= cutAt) return;
  throw new AuditError(
    'model',
    `${name}: prompt and answer do not fit its context of ${cutAt} tokens, and were cut to it`,
    { hint: 'a larger OLLAMA_CONTEXT_LENGTH, or PARAMETER num_ctx in the Modelfile' },
  );
}

/** The chance that each answer begins with one of the tokens, as far as the server shows it. */
export async function firstTokenMass(
  pool: Pool,
  options: AskOptions,
  prompts: readonly PromptText[],
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<(FirstTokenMass | null)[]> {
  const made = new Array<FirstTokenMass | null>(prompts.length);
  await inParallel(prompts.entries(), options.concurrency, async ([at, prompt]) => {
    const { positions } = await askFirst(pool, options, prompt, signal);
    made[at] = positions[0] ? massFromTop(positions[0], ids) : null;
  });
  return made;
}

/** One greedy token with as many of the likeliest as can be had. */
export function askFirst(
  pool: Pool,
  options: AskOptions,
  prompt: PromptText,
  signal: AbortSignal | undefined,
): Promise<ChatAnswer> {
  const decoding = { maxTokens: 1, temperature: 0, topP: 1, seed: 0, topLogProbabilities: mostTopLogprobs };
  return askChat(pool, options, { ...prompt, seed: 0 }, decoding, signal);
}

function askChat(
  pool: Pool,
  options: AskOptions,
  prompt: Prompt,
  decoding: Decoding,
  signal: AbortSignal | undefined,
): Promise<ChatAnswer> {
  const read = () => options.countTokens(prompt.messages);
  const question: Question<ChatAnswer> = {
    path: 'chat/completions',
    body: chatRequest(options, prompt, decoding),
    name: options.name,
    read: readChatAnswer,
    accept: filtered,
    most: () => ({ read: read(), written: decoding.maxTokens }),
    cost: ({ promptTokens, completionTokens }) => ({
      read: promptTokens ?? read(),
      written: completionTokens ?? decoding.maxTokens,
    }),
  };
  return pool.ask(question, signal);
}

/** Some providers refuse a prompt by a status of its own where others end the answer: it was not answered either way. */
function filtered({ status, text }: Reply): ChatAnswer | null {
  const body = parseJson(text) as { error?: { code?: unknown } } | null;
  if (status !== 400 || body?.error?.code !== 'content_filter') return null;
  return {
    ...{ text: '', positions: [], finishReason: 'content_filter' },
    ...{ promptTokens: null, completionTokens: null, systemFingerprint: null },
  };
}
