import type { Conversation } from './conversation.ts';
import type { Decoding } from './model.ts';

export type SuiteKind = 'harm' | 'over-refusal' | 'drift' | 'semantic-entropy' | 'utility';

/** The answers of a knowledge question. */
export interface Answers {
  /** The true answer first, then its aliases. */
  readonly gold: readonly string[];
  /** Null where nothing suggests one. */
  readonly wrong: string | null;
}

/** What a utility question is marked by. */
export interface AnswerKey {
  /** Scored by likelihood; null: answered in the model's own words. */
  readonly choices: readonly string[] | null;
  /** The right choices, or the accepted answers. */
  readonly gold: readonly string[];
}

/** One prompt to ask every arm. */
export interface SuiteItem {
  readonly id: string;
  /**
   * `base_prompt`, `false_context`, `random_context`, and `…_x5` where further repeats of the context are asked for, for
   * drift and semantic entropy; `multiple_choice`, `short_answer` for utility; `default` elsewhere.
   */
  readonly condition: string;
  readonly messages: Conversation;
  /** The user's turn as a judge is shown it. */
  readonly judgePrompt: string;
  readonly functionalCategory: string | null;
  readonly semanticCategory: string | null;
  readonly answers: Answers | null;
  /** What the answer is made to begin with; left out where the model begins by itself. */
  readonly prefill?: string;
  /** How many tokens `prefill` has; planning cuts it there. */
  readonly prefillTokens?: number;
  /** Which of the suite's templates and seeds (places in `Suite.variance`); left out for the first of both. */
  readonly variation?: { readonly template: number; readonly seed: number };
  /** How often a drift item states its context, where several numbers are asked for. */
  readonly contextRepeats?: number;
  /** Of utility items alone. */
  readonly key?: AnswerKey;
}

export interface Suite {
  readonly kind: SuiteKind;
  /** Part of the fingerprint: changes when the way prompts are built changes. */
  readonly version: string;
  readonly decoding: Decoding;
  readonly items: readonly SuiteItem[];
  /** Where the context of contextual behaviours stands; left out where there is none. */
  readonly context?: 'system' | 'user';
  /** What is odd about its data: a caveat of the run. */
  readonly notes?: readonly string[];
  /** Templates (the first is the prompt itself) and seeds under which everything is asked; left out without a variance budget. */
  readonly variance?: { readonly templates: readonly string[]; readonly seeds: readonly number[] };
}

/** A suite as a run's records have it: who imported another tool's outcomes may not know how they were decoded. */
export type RecordedSuite = Omit<Suite, 'decoding'> & { readonly decoding: Decoding | null };
