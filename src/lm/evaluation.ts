import { throwIfAborted } from '../errors.ts';
import type { TrainingSettings, TrainingStep } from '../trainer.ts';
import { lossOf } from './backpropagation.ts';
import type { Sequence } from './batch.ts';
import type { AttachedAdapter, Decoder } from './decoder.ts';
import { microBatches } from './step-batches.ts';

/** The rows' loss weights but for their first tokens', which nothing predicts. */
export const labelledWeight = (sequences: readonly Sequence[]): number =>
  sequences.reduce(
    (sum, { weights }) => weights.reduce((total, weight) => total + weight, sum - weights[0]!),
    0,
  );

/** Mean negative log-likelihood per labelled token, nats; `onEvaluated` is told which share of the batches is done. */
export async function evaluationLoss(
  decoder: Decoder,
  heldOut: readonly Sequence[],
  adapter: AttachedAdapter,
  settings: TrainingSettings,
  { signal, onEvaluated }: { signal?: AbortSignal | undefined; onEvaluated?: (share: number) => void } = {},
): Promise<number> {
  const scale = 1 / labelledWeight(heldOut);
  const byLength = [...heldOut].sort((a, b) => a.ids.length - b.ids.length);
  let [loss, done] = [0, 0];
  const batches = microBatches(byLength, settings, decoder.config.contextLength);
  for (const batch of batches) {
    throwIfAborted(signal);
    loss += await lossOf(decoder, batch, adapter, scale);
    onEvaluated?.(++done / batches.length);
  }
  return loss;
}

/** Whether a step is followed by an evaluation. */
export function isEvaluated(step: number, { evaluation, steps }: TrainingSettings): boolean {
  return !!evaluation && (step % evaluation.every === 0 || step === steps);
}

/** The lowest evaluation loss so far; +∞ before the first. */
export function lowestLoss(history: readonly TrainingStep[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...history.flatMap((step) => step.evaluationLoss ?? []));
}

/**
 * Whether the last `patience` evaluations brought no loss lower than the best before by more than `minDelta`.
 * As transformers' EarlyStoppingCallback.
 */
export function hasStalled(
  history: readonly TrainingStep[],
  { earlyStopping }: Pick<TrainingSettings, 'earlyStopping'>,
): boolean {
  if (!earlyStopping) return false;
  let [best, waited] = [Number.POSITIVE_INFINITY, 0];
  for (const { evaluationLoss: loss } of history) {
    if (loss === undefined) continue;
    waited = loss < best - earlyStopping.minDelta ? 0 : waited + 1;
    best = Math.min(best, loss);
  }
  return waited >= earlyStopping.patience;
}
