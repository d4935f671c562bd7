/** One turn of a chat. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type Conversation = readonly Message[];

/** `system` (when not empty), then the user's turn. */
export function ask(prompt: string, system: string | null = null): Conversation {
  const user: Message = { role: 'user', content: prompt };
  return system ? [{ role: 'system', content: system }, user] : [user];
}
