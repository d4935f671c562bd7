import type { Conversation } from './conversation.ts';
import type { Decoding } from './model.ts';

export type SuiteKind = 'harm' | 'over-refusal' | 'drift' | 'semantic-entropy' | 'utility';

/** The answers of a knowledge question. */
export interface Answers {
  /** The true answer first, then its aliases. */
  readonly gold: readonly string[];
  readonly wrong: string;
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
  /** What is odd about its data: a caveat of the run. */
  readonly notes?: readonly string[];
}
