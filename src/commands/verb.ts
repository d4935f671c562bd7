import type { Terminal } from '../adjudication/queue.ts';
import type { Progress } from '../progress.ts';

/** What a verb found out: a document for --json, the same as text, and the exit code. */
export interface Outcome {
  readonly document: object;
  readonly text: string;
  readonly exitCode: number;
  /** What goes on after the outcome was printed, until the signal ends it. */
  readonly ended?: Promise<void>;
}

/** What a verb may do beside returning its outcome. */
export interface Context {
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
  /** Shows a text and asks, unless `accepted` says yes already; false where nobody can be asked. */
  readonly confirm: (text: string, question: string, accepted: boolean) => Promise<boolean>;
  /** Where people can be asked key by key; null without a terminal. */
  readonly terminal: Terminal | null;
}
