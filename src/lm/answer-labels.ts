import type { Conversation } from '../conversation.ts';
import type { RenderedChat } from './chat-template.ts';

/** A conversation with the tokens that carry loss marked. */
export interface LabelledTokens {
  readonly ids: number[];
  /** As long as `ids`. */
  readonly labelled: boolean[];
}

/** A template and tokenizer as labelling needs them. */
export interface ChatEncoding {
  render(messages: Conversation, options: { readonly addGenerationPrompt: boolean }): RenderedChat;
  encode(text: string): number[];
  readonly eosTokenIds: readonly number[];
}

/** Why the answer cannot be labelled. */
export type LabelProblem = 'prompt rewritten' | 'no end of turn';

/**
 * Labels the last message, the assistant's, with its end-of-turn token. What the template marks with {% generation %}
 * is the answer, as in transformers' `return_assistant_tokens_mask`, with the end-of-turn token where that follows the
 * marks; without marks it is what the whole conversation has beyond the prompt, up to the first end of turn.
 */
export function labelAnswer(messages: Conversation, chat: ChatEncoding): LabelledTokens | LabelProblem {
  if (messages.at(-1)?.role !== 'assistant')
    throw new Error('internal: a training row must end with the assistant');
  const whole = chat.render(messages, { addGenerationPrompt: false });
  const ids = chat.encode(whole.text);
  const marked = markedSpans(messages, whole, chat);
  const labelled = ids.map(() => false);
  if (marked.length > 0) {
    for (const span of marked) labelled.fill(true, ...tokenRange(ids, whole.text, span, chat));
    const next = labelled.lastIndexOf(true) + 1;
    if (ids.some((id, at) => labelled[at] && chat.eosTokenIds.includes(id))) return { ids, labelled };
    if (!chat.eosTokenIds.includes(ids[next]!)) return 'no end of turn';
    labelled[next] = true;
    return { ids, labelled };
  }
  const prompt = chat.render(messages.slice(0, -1), { addGenerationPrompt: true }).text;
  if (!whole.text.startsWith(prompt)) return 'prompt rewritten';
  // A token that joins the prompt's end with the answer's start (two line breaks, say) counts as answer.
  const start = sharedTokens(ids, chat.encode(prompt));
  const end = ids.findIndex((id, at) => at >= start && chat.eosTokenIds.includes(id));
  if (end < 0) return 'no end of turn';
  return { ids, labelled: labelled.fill(true, start, end + 1) };
}

type Span = RenderedChat['generated'][number];

/** The spans of the last message: those that the conversation before it does not have. */
function markedSpans(
  messages: Conversation,
  { generated }: RenderedChat,
  chat: ChatEncoding,
): readonly Span[] {
  if (generated.length === 0) return [];
  const before = chat.render(messages.slice(0, -1), { addGenerationPrompt: false }).generated.length;
  return generated.slice(before).filter(([start, end]) => end > start);
}

/** Tokens [first, end) that hold the characters [start, stop) of the text, in whole or in part. */
function tokenRange(
  ids: readonly number[],
  text: string,
  [start, stop]: Span,
  { encode }: ChatEncoding,
): [number, number] {
  const first = sharedTokens(ids, encode(text.slice(0, start)));
  const through = encode(text.slice(0, stop));
  const shared = sharedTokens(ids, through);
  return [first, shared === through.length ? shared : shared + 1];
}

/** How many tokens two sequences begin with alike. */
function sharedTokens(ids: readonly number[], others: readonly number[]): number {
  const differs = others.findIndex((id, at) => id !== ids[at]);
  return differs < 0 ? others.length : differs;
}
