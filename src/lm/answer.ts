import type { AnswerPart, Decoding, GeneratedToken, Generation, NamedToken } from '../model.ts';
import type { RowSettings, SampledToken } from './generate.ts';
import type { ChatTokenizer } from './tokenizer.ts';

/** From tokens to the text of an answer: where it ends, what belongs to it, and how much of it is certain. */

/** What decides how one prompt's tokens are read. */
export interface AnswerForm {
  readonly tokenizer: ChatTokenizer;
  readonly stop: readonly string[];
  /** The prompt ends inside `<think>`: what comes first is thinking, in which nothing stops. */
  readonly thinks?: boolean;
  /** The answer's beginning, which is not part of its text. */
  readonly prefill: string;
  readonly promptTokens: number;
}

/** Where an answer begins: behind what the model thinks aloud, or at the end while it still does. */
function answerStart({ thinks }: AnswerForm, text: string): number {
  if (!thinks && !/^\s*<think>/.test(text)) return 0;
  const end = text.indexOf('</think>');
  return end < 0 ? text.length : end + '</think>'.length;
}

/** Where the first stop string of the answer begins; −1 without one. */
function cutAt(form: AnswerForm, text: string): number {
  const start = answerStart(form, text);
  const places = form.stop.map((word) => text.indexOf(word, start)).filter((place) => place >= 0);
  return places.length ? Math.min(...places) : -1;
}

/** The text of the answer's tokens; behind a prefill they read on, and keep the space that a first token loses. */
function textOf({ tokenizer, prefill }: AnswerForm, ids: readonly number[]): string {
  if (!prefill) return tokenizer.decode(ids);
  const before = tokenizer.encode(prefill);
  const [start, whole] = [tokenizer.decode(before), tokenizer.decode([...before, ...ids])];
  return whole.startsWith(start) ? whole.slice(start.length) : tokenizer.decode(ids);
}

export const nameToken = (
  { tokenText, tokenBytes }: Pick<ChatTokenizer, 'tokenText' | 'tokenBytes'>,
  { id, logProbability }: { readonly id: number; readonly logProbability: number },
): NamedToken => ({ id, text: tokenText(id), bytes: tokenBytes(id), logProbability });

function toToken(
  { tokenizer }: AnswerForm,
  { topIds, ...token }: SampledToken,
  endOfTurn: boolean,
): GeneratedToken {
  const top = topIds?.map((id, at) =>
    nameToken(tokenizer, { id, logProbability: token.topLogProbabilities[at]! }),
  );
  return {
    ...token,
    text: tokenizer.tokenText(token.id),
    endOfTurn,
    ...(top && { bytes: tokenizer.tokenBytes(token.id), top }),
  };
}

/** How the engine generates what a decoding asks for. */
export function rowSettings(decoding: Decoding, form: AnswerForm): RowSettings {
  const {
    maxTokens,
    temperature,
    topP,
    topK = null,
    minP = 0,
    topLogProbabilities = 10,
    namesTop,
  } = decoding;
  const idsOf = (tokens: readonly SampledToken[]) => tokens.map(({ id }) => id);
  const stops = (tokens: readonly SampledToken[]) => cutAt(form, textOf(form, idsOf(tokens))) >= 0;
  return {
    maxTokens,
    temperature,
    topP,
    topK,
    minP,
    topLogProbabilities,
    ...(namesTop && { namesTop }),
    stopIds: new Set(form.tokenizer.eosTokenIds),
    ...(form.stop.length > 0 && { stops }),
  };
}

/**
 * The whole answer. Text ends before a stop string, as OpenAI's and vLLM's servers cut it; its tokens stay in the
 * record, as vLLM keeps them, and those that begin at or behind the cut are marked as ending the turn.
 */
export function toGeneration(form: AnswerForm, sampled: readonly SampledToken[]): Generation {
  const { tokenizer, prefill, promptTokens } = form;
  const ids = sampled.map(({ id }) => id);
  const ended = tokenizer.eosTokenIds.includes(ids.at(-1)!);
  const own = ended ? ids.slice(0, -1) : ids;
  const whole = textOf(form, own);
  const cut = cutAt(form, whole);
  let kept = own.length;
  if (cut >= 0) while (kept > 0 && textOf(form, own.slice(0, kept - 1)).length >= cut) kept--;
  const tokens = sampled.map((token, at): GeneratedToken => toToken(form, token, at >= kept));
  return {
    text: cut < 0 ? whole : whole.slice(0, cut),
    tokens,
    finishReason: ended || cut >= 0 ? 'stop' : 'length',
    promptTokens,
    ...(prefill && { prefill }),
  };
}

/** How much of a growing text nothing can change any more. */
function certainLength(text: string, stop: readonly string[]): number {
  // An incomplete character; and decoders that tidy spaces before punctuation may yet drop the last one.
  const settled = text.replace(/\uFFFD+$/, '').replace(/ \S{0,3}$/, '');
  const pending = stop.map((word) => {
    for (let length = Math.min(word.length - 1, settled.length); length > 0; length--)
      if (settled.endsWith(word.slice(0, length))) return length;
    return 0;
  });
  return settled.length - Math.max(0, ...pending);
}

/** An answer's tokens as parts, each with the text that has become certain. */
export async function* toParts(
  form: AnswerForm,
  sampled: AsyncIterable<SampledToken>,
): AsyncGenerator<AnswerPart> {
  const { tokenizer, stop } = form;
  const tokens: SampledToken[] = [];
  let shown = '';
  for await (const token of sampled) {
    tokens.push(token);
    const { text } = toGeneration(form, tokens);
    const certain = text.slice(0, certainLength(text, stop));
    const more = certain.startsWith(shown) ? certain.slice(shown.length) : '';
    shown += more;
    const endOfTurn = tokenizer.eosTokenIds.includes(token.id);
    yield {
      type: 'token',
      token: toToken(form, token, endOfTurn),
      text: more,
    };
  }
  const generation = toGeneration(form, tokens);
  yield { type: 'end', text: generation.text.slice(shown.length), generation };
}
