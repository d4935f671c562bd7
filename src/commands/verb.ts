import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Terminal } from '../adjudication/queue.ts';
import type { Progress } from '../progress.ts';

/** What a verb found out: a document for --json, the same as text, and the exit code. */
export interface Outcome {
  readonly document: object;
  readonly text: string;
  readonly exitCode: number;
  /** What goes on once the outcome is printed, as a server does, until it ends; why it ended, if it rejects, goes to standard error. */
  readonly finished?: Promise<void>;
  /** What has to be said beside the text, on standard error. */
  readonly notice?: string;
}

/** What a verb may do beside returning its outcome. */
export interface Context {
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
  /** A line on stderr; left out where nobody reads it. */
  readonly log?: (line: string) => void;
  /** Shows a text and asks, unless `accepted` says yes already; false where nobody can be asked. */
  readonly confirm: (text: string, question: string, accepted: boolean) => Promise<boolean>;
  /** Where people can be asked key by key; null without a terminal. */
  readonly terminal: Terminal | null;
  /** For documents that are not the outcome's text: large or binary ones. */
  readonly stdout: { readonly isTerminal: boolean; readonly write: (piece: Uint8Array) => Promise<void> };
}

const largeHeapBytes = 96 * 1024 ** 2;

/**
 * For verbs that may go through millions of records: V8 lets a heap grow fourfold between collections, which beside half a
 * million prompts is half a gigabyte of garbage. A small heap is left to V8, since collecting it often takes time and saves nothing.
 */
export function collectEarly(): void {
  const timer = setInterval(() => {
    if (getHeapStatistics().used_heap_size < largeHeapBytes) return;
    setFlagsFromString('--heap-growing-percent=30');
    clearInterval(timer);
  }, 100);
  timer.unref();
}
