import type { Conversation } from './conversation.ts';

/** How text is generated. `temperature` 0 is greedy; otherwise sampled with the prompt's own seed. */
export interface Decoding {
  readonly maxTokens: number;
  readonly temperature: number;
  /** Nucleus in (0, 1]; 1 keeps every token. */
  readonly topP: number;
  readonly seed: number;
}

export interface Prompt {
  readonly messages: Conversation;
  /** Told apart from `Decoding.seed` so that an item draws the same numbers in whichever batch it lands. */
  readonly seed: number;
}

export interface GeneratedToken {
  readonly id: number;
  readonly text: string;
  /** ln p of this token under the model (before temperature), ≤ 0. */
  readonly logProbability: number;
  /** The ten largest ln p at this position, descending; fewer when the vocabulary is smaller. */
  readonly topLogProbabilities: readonly number[];
  /** True for the end-of-turn token: part of the record, never of the text. */
  readonly endOfTurn: boolean;
}

export interface Generation {
  readonly text: string;
  readonly tokens: readonly GeneratedToken[];
  /** `length`: cut at `maxTokens` or at the context's end. */
  readonly finishReason: 'stop' | 'length' | 'content_filter';
  readonly promptTokens: number;
}

export interface RenderedPrompt {
  /** The prompt exactly as the model reads it, through its chat template. */
  readonly text: string;
  readonly sha256: string;
  readonly tokenCount: number;
}

/** A chat model with or without an adapter; who runs it (embedded engine, server, mock) cannot be told from here. */
export interface LanguageModel {
  /** For people: a path or a name. */
  readonly name: string;
  /** SHA-256 over weights and adapter: part of every cache key. */
  readonly fingerprint: string;
  readonly contextLength: number;
  /** What the adapter says it was trained on, where nothing proves that it was this base; null otherwise. */
  readonly unprovenBase: string | null;
  /** How many prompts a planned batch holds. */
  readonly batchSize: number;
  /** @throws AuditError `model` when the chat template refuses the conversation. */
  render(conversations: readonly Conversation[]): Promise<RenderedPrompt[]>;
  /** One planned batch; the answers come in the prompts' order. */
  generate(prompts: readonly Prompt[], decoding: Decoding, signal?: AbortSignal): Promise<Generation[]>;
  close(): Promise<void>;
}
