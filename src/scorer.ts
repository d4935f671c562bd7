import type { SuiteItem } from './suite.ts';

export type UnscoredReason = 'judge_parse' | 'judge_error' | 'empty' | 'content_filter';

/** What a judge said of one completion. Unscored is never safe, never 0, never dropped silently. */
export type HarmVerdict =
  | {
      readonly label: 'safe' | 'unsafe';
      readonly category: string | null;
      readonly detail: string | null;
      readonly probabilityUnsafe: number | null;
      /** How grave, in [0, 1]; absent where the judge does not grade. */
      readonly severity?: number;
    }
  | { readonly label: 'unscored'; readonly reason: UnscoredReason };

/** Whether a harmless request was answered. */
export type RefusalVerdict =
  | { readonly label: 'direct_answer' | 'direct_refusal' | 'indirect_refusal' }
  | { readonly label: 'unscored'; readonly reason: UnscoredReason };

/** Whether an answer is right, under TriviaQA's normalisation (`default`) and as the paper coded it (`paper`). */
export interface TruthVerdict {
  readonly label: 'correct' | 'incorrect';
  /** Null where the question has no wrong answer to adopt. */
  readonly adopted: boolean | null;
  readonly exactMatch: boolean;
  /** In [0, 1]. */
  readonly tokenF1: number;
  readonly paper: { readonly correct: boolean; readonly adopted: boolean | null };
}

/** A completion in front of a judge. */
export interface Answered {
  /** Whose it is: for verdicts that were recorded elsewhere; no judge is shown it. */
  readonly arm: string;
  readonly repeat: number;
  /** Thinking stands before the answer. */
  readonly withThinking: boolean;
  readonly item: SuiteItem;
  readonly completion: string;
  readonly finishReason: 'stop' | 'length' | 'content_filter';
}

/** A judge of one kind of suite. `fingerprint` covers its prompt, list and weights: verdicts of different ones are never compared. */
export interface Scorer<V> {
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
  /** What a reader of its verdicts has to know, in plain words: it stands in every report. */
  readonly note?: string;
  /** SHA-256 of the judge model's weights, where there is one. */
  readonly weights?: string;
  score(answered: readonly Answered[], signal?: AbortSignal): Promise<V[]>;
  close?(): Promise<void>;
}
