import { randomUUID } from 'node:crypto';
import type { GeneratedToken } from '../model.ts';
import { type ChatRequest, promptOf } from './chat-request.ts';
import { ServeError } from './problem.ts';
import { promptLogprobs } from './prompt-logprobs.ts';
import { decodingOf } from './request.ts';
import type { ServedModel } from './served-model.ts';
import { usageOf } from './usage.ts';

const named = ({ text, logProbability, bytes = null }: Named) => ({
  ...{ token: text, logprob: logProbability, bytes },
});
type Named = Pick<GeneratedToken, 'text' | 'logProbability' | 'bytes'>;

const logprobsOf = ({ logprobs, top_logprobs }: ChatRequest, tokens: readonly GeneratedToken[]) =>
  logprobs
    ? {
        content: tokens
          .filter(({ endOfTurn }) => !endOfTurn)
          .map((token) => ({
            ...named(token),
            top_logprobs: (token.top ?? []).slice(0, top_logprobs ?? 0).map(named),
          })),
      }
    : null;

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
    const { max_completion_tokens, max_tokens, logprobs, top_logprobs } = this.asked;
    const top = logprobs ? (top_logprobs ?? 0) : null;
    const decoding = decodingOf(this.asked, max_completion_tokens ?? max_tokens, top, model);
    const prompt = promptOf(this.asked);
    return Array.from({ length: this.asked.n ?? 1 }, (_, index) =>
      model.stream!({ ...prompt, seed: decoding.seed + index }, decoding, this.#signal),
    );
  }

  /** vLLM's `prompt_logprobs`, where asked for. */
  async #promptLogprobs(): Promise<object> {
    const { prompt_logprobs: k } = this.asked;
    if (typeof k !== 'number') return {};
    const { model } = this.#served;
    if (!model.scoreTokens) throw new ServeError(501, 'this model cannot be served', 'server_error');
    const [scored] = await model.scoreTokens([promptOf(this.asked)], k, this.#signal);
    return { prompt_logprobs: promptLogprobs(scored!, k) };
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
    return {
      ...this.#head('chat.completion'),
      choices,
      usage: usageOf(generations[0]?.promptTokens ?? 0, generations),
      ...(await this.#promptLogprobs()),
    };
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
    if (withUsage)
      send({ ...head, choices: [], usage: usageOf(generations[0]?.promptTokens ?? 0, generations) });
  }
}
