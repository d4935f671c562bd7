import { sharedEngine } from '../lm/engine-client.ts';
import type { Trainer } from '../trainer.ts';

/** LoRA fine-tuning by the embedded engine in its worker thread. */
export function createEmbeddedTrainer(): Trainer {
  return {
    name: 'embedded',
    // Functions stay on this side of the thread.
    train: ({ onStep, onEvaluation, onWait: _, signal, ...job }) =>
      sharedEngine().train(
        job,
        (event) => ('evaluated' in event ? onEvaluation?.(event) : onStep?.(event)),
        signal,
      ),
  };
}
