import type { Conversation } from './conversation.ts';
import type { Decoding } from './model.ts';

export type SuiteKind = 'harm' | 'over-refusal' | 'drift';

/** The answers of a knowledge question. */
export interface Answers {
  /** The true answer first, then its aliases. */
  readonly gold: readonly string[];
  /** Null where nothing suggests one. */
  readonly wrong: string | null;
}

/** One prompt to ask every arm. */
export interface SuiteItem {
  readonly id: string;
  /** `base_prompt`, `false_context`, `random_context` for drift; `default` elsewhere. */
  readonly condition: string;
  readonly messages: Conversation;
  /** The user's turn as a judge is shown it. */
  readonly judgePrompt: string;
  readonly functionalCategory: string | null;
  readonly semanticCategory: string | null;
  readonly answers: Answers | null;
}

export interface Suite {
  readonly kind: SuiteKind;
  /** Part of the fingerprint: changes when the way prompts are built changes. */
  readonly version: string;
  readonly decoding: Decoding;
  readonly items: readonly SuiteItem[];
}

/** A suite as a run's records have it: who imported another tool's outcomes may not know how they were decoded. */
export type RecordedSuite = Omit<Suite, 'decoding'> & { readonly decoding: Decoding | null };
