import { randomUUID } from 'node:crypto';
import type { GeneratedToken, Generation } from '../model.ts';
import { type ChatRequest, decodingOf, promptOf } from './chat-request.ts';
import { ServeError } from './problem.ts';
import type { ServedModel } from './served-model.ts';

/** The token counts of OpenAI's `usage`; the prompt counts once whatever n. */
function usageOf(generations: readonly Generation[]): object {
  const prompt = generations[0]?.promptTokens ?? 0;
  const completion = generations.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** A token in OpenAI's shape; bytes are null where it is only a piece of a character. */
function logprobOf({ text, logProbability }: GeneratedToken): object {
  const bytes = text.includes('\uFFFD') ? null : [...Buffer.from(text)];
  return { token: text, logprob: logProbability, bytes, top_logprobs: [] };
}

const logprobsOf = (asked: ChatRequest, tokens: readonly GeneratedToken[]) =>
  asked.logprobs ? { content: tokens.filter(({ endOfTurn }) => !endOfTurn).map(logprobOf) } : null;

/** The n answers of one request, all in line at once; choice i draws with seed + i. */
export class Chat {
  readonly asked: ChatRequest;
  readonly #served: ServedModel;
  readonly #signal: AbortSignal;
  readonly #created = Math.floor(Date.now() / 1000);
  readonly #id = `chatcmpl-${randomUUID()}`;

  constructor(asked: ChatRequest, served: ServedModel, signal: AbortSignal) {
    this.asked = asked;
    this.#served = served;
    this.#signal = signal;
  }

  #head(object: string): object {
    const { name, model } = this.#served;
    const system_fingerprint = `fp_${model.fingerprint.slice(0, 16)}`;
    return { id: this.#id, object, created: this.#created, model: name, system_fingerprint };
  }

  /** Choices by index, each as its parts. */
  #choices() {
    const { model } = this.#served;
    if (!model.stream) throw new ServeError(501, 'this model cannot be served', 'server_error');
    const decoding = decodingOf(this.asked, model);
    const prompt = promptOf(this.asked);
    return Array.from({ length: this.asked.n ?? 1 }, (_, index) =>
      model.stream!({ ...prompt, seed: decoding.seed + index }, decoding, this.#signal),
    );
  }

  /** The body of a `chat.completion`. */
  async whole(): Promise<object> {
    const generations = await Promise.all(
      this.#choices().map(async (parts) => {
        for await (const part of parts) if (part.type === 'end') return part.generation;
        throw new Error('internal: an answer without an end');
      }),
    );
    const choices = generations.map(({ text, tokens, finishReason }, index) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: logprobsOf(this.asked, tokens),
      finish_reason: finishReason,
    }));
    return { ...this.#head('chat.completion'), choices, usage: usageOf(generations) };
  }

  /** Sends `chat.completion.chunk`s, the usage last where it is asked for. */
  async stream(send: (chunk: object) => void): Promise<void> {
    const withUsage = this.asked.stream_options?.include_usage ?? false;
    const head = { ...this.#head('chat.completion.chunk'), ...(withUsage && { usage: null }) };
    const emit = (index: number, delta: object, tokens: GeneratedToken[], finish_reason: string | null) =>
      send({ ...head, choices: [{ index, delta, logprobs: logprobsOf(this.asked, tokens), finish_reason }] });
    // Tokens of a stop string are known as such only at the end.
    const late = (this.asked.stop ?? []).length > 0;
    const generations = await Promise.all(
      this.#choices().map(async (parts, index) => {
        emit(index, { role: 'assistant', content: '' }, [], null);
        let sent = 0;
        for await (const part of parts) {
          if (part.type === 'end') {
            const { generation } = part;
            const rest = generation.tokens.slice(sent);
            if (part.text || (late && this.asked.logprobs)) emit(index, { content: part.text }, rest, null);
            emit(index, {}, [], generation.finishReason);
            return generation;
          }
          if (!late) sent++;
          const tokens = late ? [] : [part.token];
          if (part.text || (this.asked.logprobs && tokens.length))
            emit(index, { content: part.text }, tokens, null);
        }
        throw new Error('internal: an answer without an end');
      }),
    );
    if (withUsage) send({ ...head, choices: [], usage: usageOf(generations) });
  }
}
