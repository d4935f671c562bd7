export interface Batching {
  readonly totals: { readonly busy: number; readonly steps: number; readonly read: number; readonly written: number };
  ask(at: number, sequence: { read: number; written: number; name?: string }): void;
  advance(until: number, onFinished: (sequence: { name?: string }) => void): void;
  readonly idle: boolean;
}
export function createBatching(
  profile: { stepMs: number; perSequenceMs: number; readPerSecond: number },
  limits: { maxSequences: number; maxBatchedTokens: number },
): Batching;
