import { randomUUID } from 'node:crypto';
import type { GeneratedToken, Generation, PromptText, ScoredToken } from '../model.ts';
import { type CompletionRequest, promptsOf } from './completion-request.ts';
import { ServeError } from './problem.ts';
import { promptLogprobs } from './prompt-logprobs.ts';
import { decodingOf } from './request.ts';
import type { ServedModel } from './served-model.ts';
import { usageOf } from './usage.ts';

type Token = ScoredToken | GeneratedToken;

/**
 * Tokens in the shape of OpenAI's first protocol. Its alternatives go by their texts, so of two that read alike the
 * likelier is kept; the token itself is always among them.
 * @param offset where the first begins, in characters.
 */
function logprobsOf(tokens: readonly Token[], k: number, offset = 0): object {
  let at = offset;
  const offsets = tokens.map(({ text }) => (at += text.length) - text.length);
  const alternatives = ({ text, logProbability, top = [] }: Token) => {
    if (logProbability === null) return null;
    const all = new Map<string, number>();
    for (const one of [...top.slice(0, k), { text, logProbability }])
      if (!all.has(one.text)) all.set(one.text, one.logProbability);
    return Object.fromEntries(all);
  };
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logProbability }) => logProbability),
    top_logprobs: tokens.map(alternatives),
    text_offset: offsets,
  };
}

/** A prompt with what `echo` and `prompt_logprobs` say of it. */
interface Echoed {
  readonly prompt: PromptText;
  readonly tokens: number;
  readonly text: string;
  readonly scored: readonly ScoredToken[];
  readonly also: { readonly prompt_logprobs?: ReturnType<typeof promptLogprobs> };
}

/** Given texts gone on with, scored, or both: choice i of prompt p has the index p·n + i and draws with seed + index. */
export class Completion {
  readonly asked: CompletionRequest;
  readonly #served: ServedModel;
  readonly #signal: AbortSignal;
  readonly #head: object;

  constructor(asked: CompletionRequest, served: ServedModel, signal: AbortSignal) {
    this.asked = asked;
    this.#served = served;
    this.#signal = signal;
    this.#head = {
      id: `cmpl-${randomUUID()}`,
      object: 'text_completion',
      created: Math.floor(Date.now() / 1000),
      model: served.name,
      system_fingerprint: `fp_${served.model.fingerprint.slice(0, 16)}`,
    };
  }

  async #echoed(): Promise<Echoed[]> {
    const { model } = this.#served;
    const { echo, logprobs, prompt_logprobs: k } = this.asked;
    const prompts = promptsOf(this.asked);
    if (!model.stream || !model.scoreTokens || !model.tokenIds || !model.textsOf)
      throw new ServeError(501, 'this model cannot be served', 'server_error');
    if (!echo && this.asked.max_tokens === 0)
      throw new ServeError(400, 'max_tokens: 0 needs echo', 'invalid_request_error', 'max_tokens');
    const ids = await model.tokenIds(prompts);
    const texts = echo ? await model.textsOf(ids) : [];
    const echoes = echo && typeof logprobs === 'number';
    const asks = typeof k === 'number';
    const most = Math.max(k ?? 0, logprobs ?? 0);
    const scored = echoes || asks ? await model.scoreTokens(prompts, most, this.#signal) : [];
    return prompts.map((prompt, at) => ({
      prompt,
      tokens: ids[at]!.length,
      text: typeof prompt.raw === 'string' ? (echo ? prompt.raw : '') : (texts[at] ?? ''),
      scored: echoes ? scored[at]! : [],
      also: asks ? { prompt_logprobs: promptLogprobs(scored[at]!, k) } : {},
    }));
  }

  /** Choices by index, each with its prompt; no generation where none is asked for. */
  #answers(echoed: readonly Echoed[]) {
    const { model } = this.#served;
    const { asked } = this;
    // OpenAI's first protocol has 16 where nothing is said.
    const decoding = decodingOf(asked, asked.max_tokens ?? 16, asked.logprobs ?? null, model);
    return echoed
      .flatMap((one) => Array.from({ length: asked.n ?? 1 }, () => one))
      .map((one, index) => ({
        ...{ one, index },
        parts:
          asked.max_tokens === 0
            ? null
            : model.stream!({ ...one.prompt, seed: decoding.seed + index }, decoding, this.#signal),
      }));
  }

  #logprobs(tokens: readonly Token[], offset = 0): object | null {
    const { logprobs } = this.asked;
    return typeof logprobs === 'number' ? logprobsOf(tokens, logprobs, offset) : null;
  }

  #usage(echoed: readonly Echoed[], generations: readonly (Generation | null)[]): object {
    const prompt = echoed.reduce((sum, { tokens }) => sum + tokens, 0);
    return usageOf(
      prompt,
      generations.filter((one) => one !== null),
    );
  }

  /** The body of a `text_completion`. */
  async whole(): Promise<object> {
    const echoed = await this.#echoed();
    const generations: (Generation | null)[] = [];
    const choices = await Promise.all(
      this.#answers(echoed).map(async ({ one, index, parts }) => {
        generations[index] = null;
        for await (const part of parts ?? []) if (part.type === 'end') generations[index] = part.generation;
        const generation = generations[index];
        // A token that ends the turn has a place here: lm-evaluation-harness drops the one asked for by its count.
        const own = generation?.tokens.filter(({ endOfTurn }) => !endOfTurn || this.asked.echo) ?? [];
        return {
          index,
          text: one.text + (generation?.text ?? ''),
          logprobs: this.#logprobs([...one.scored, ...own]),
          finish_reason: generation?.finishReason ?? 'length',
          ...one.also,
        };
      }),
    );
    return { ...this.#head, choices, usage: this.#usage(echoed, generations) };
  }

  /** Sends the choices in pieces, the usage last where it is asked for. */
  async stream(send: (chunk: object) => void): Promise<void> {
    const withUsage = this.asked.stream_options?.include_usage ?? false;
    const head = { ...this.#head, ...(withUsage && { usage: null }) };
    const late = (this.asked.stop ?? []).length > 0; // see Chat
    const echoed = await this.#echoed();
    const generations = await Promise.all(
      this.#answers(echoed).map(async ({ one, index, parts }) => {
        let offset = 0;
        const emit = (text: string, tokens: readonly Token[], finish_reason: string | null = null) => {
          send({
            ...head,
            choices: [{ index, text, logprobs: this.#logprobs(tokens, offset), finish_reason }],
          });
          offset += tokens.reduce((sum, token) => sum + token.text.length, 0);
        };
        if (this.asked.echo) emit(one.text, one.scored);
        let sent = 0;
        for await (const part of parts ?? []) {
          if (part.type === 'end') {
            const { tokens, finishReason } = part.generation;
            emit(
              part.text,
              tokens.slice(sent).filter(({ endOfTurn }) => !endOfTurn),
              finishReason,
            );
            return part.generation;
          }
          if (!late) sent++;
          const tokens = late || part.token.endOfTurn ? [] : [part.token];
          if (part.text || tokens.length) emit(part.text, tokens);
        }
        emit('', [], 'length');
        return null;
      }),
    );
    if (withUsage) send({ ...head, choices: [], usage: this.#usage(echoed, generations) });
  }
}
