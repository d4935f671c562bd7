import type { Conversation } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import type { ChatTokenizer } from './tokenizer.ts';

/** Tokens of a conversation as a model reads it, with what its template puts before the answer. */
export type TokenCount = (messages: Conversation) => number;

/** By the model's own tokenizer, where it is here; what its template refuses is estimated, since a server may have another. */
export function tokenCounter(tokenizer: ChatTokenizer | null, estimate: TokenCount): TokenCount {
  if (!tokenizer) return estimate;
  return (messages) => {
    try {
      return tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt: true })).length;
    } catch (error) {
      if (error instanceof AuditError) return estimate(messages);
      throw error;
    }
  };
}
