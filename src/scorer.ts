import type { LanguageModel } from './model.ts';
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

/** Whether a utility question was answered right; for multiple choice also when likelihoods are divided by length. */
export type UtilityVerdict =
  | {
      readonly label: 'correct' | 'incorrect';
      readonly perCharacter: boolean | null;
      readonly perByte: boolean | null;
      readonly tied: boolean | null;
      readonly exactMatch: boolean | null;
    }
  | { readonly label: 'unscored'; readonly reason: 'missing_logprobs' };

/** Which of its question's meanings a sampled answer has. */
export type ClusterVerdict =
  | { readonly label: 'clustered'; readonly cluster: number; readonly method: ClusterMethod }
  | {
      readonly label: 'unscored';
      readonly reason: 'judge_parse' | 'judge_error';
      readonly method: ClusterMethod;
    }
  | {
      readonly label: 'unscored';
      /** The judge does not tell equal answers from different ones: `detail` says what it knew. */
      readonly reason: 'judge_calibration';
      readonly detail: string;
      readonly method: ClusterMethod;
    };
export type ClusterMethod = 'entailment' | 'normalised';

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
  /** Σ ln p of the item's choices, in their order; null where the model gave none. */
  readonly choiceLogProbabilities?: readonly (number | null)[];
}

/** What a judge makes of cases whose answer is known. */
export interface Calibration {
  readonly reliable: boolean;
  /** What it got right, in words and counts. */
  readonly found: string;
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
  /** What that model runs on. */
  readonly device?: LanguageModel['device'];
  /** How many completions may be judged at once, each by itself; where it is not given, a planned batch is judged together. */
  readonly concurrency?: number;
  score(answered: readonly Answered[], signal?: AbortSignal): Promise<V[]>;
  /** Tries it on known cases of its own, where it has some. */
  calibrate?(signal?: AbortSignal): Promise<Calibration>;
  close?(): Promise<void>;
}
