/** One turn of a chat. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type Conversation = readonly Message[];

/**
 * The date that every chat template is told, so that prompts never change overnight: the one that Llama 3.1's and
 * 3.2's own templates fall back on. transformers tells them today's.
 */
export const templateDate = '2024-07-26';

/** `system` (when not empty), then the user's turn. */
export function ask(prompt: string, system: string | null = null): Conversation {
  const user: Message = { role: 'user', content: prompt };
  return system ? [{ role: 'system', content: system }, user] : [user];
}
