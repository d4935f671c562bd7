import type { Conversation } from '../conversation.ts';
import { AuditError, throwIfAborted } from '../errors.ts';
import type { TrainingSettings, TrainingStep } from '../trainer.ts';
import { backpropagate, type Gradients, parameterKey, type Trained } from './backpropagation.ts';
import type { Sequence } from './batch.ts';
import type { Decoder } from './decoder.ts';
import { loraInput } from './layer-tensors.ts';
import { type LoraAdapter, nonFiniteTensors } from './lora.ts';
import { clipGradients, createAdamW, learningRateAt, type Parameter } from './optimizer.ts';
import type { ChatTokenizer } from './tokenizer.ts';

export const adamDefaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** The matrices of an adapter as parameters, in layer order. */
function adapterParameters(adapter: LoraAdapter): Parameter[] {
  return adapter.layers.flatMap((layer, index) =>
    [...layer].flatMap(([projection, { a, b }]) => [
      { key: parameterKey(index, loraInput(projection, 'a')), data: a, decayed: true },
      { key: parameterKey(index, loraInput(projection, 'b')), data: b, decayed: true },
    ]),
  );
}

/** The sequences of a step, cut into its micro-batches; rows are taken in order and start over at the end. */
export function stepSequences(
  sequences: readonly Sequence[],
  step: number,
  settings: TrainingSettings,
): Sequence[][] {
  const { batchSize, gradientAccumulation } = settings;
  const first = (step - 1) * batchSize * gradientAccumulation;
  return Array.from({ length: gradientAccumulation }, (_, micro) =>
    Array.from(
      { length: batchSize },
      (_, i) => sequences[(first + micro * batchSize + i) % sequences.length]!,
    ),
  );
}

const labelledWeight = (sequence: Sequence) =>
  sequence.weights.reduce((sum, weight, i) => (i > 0 ? sum + weight : sum), 0);
const labelledTokens = (sequence: Sequence) =>
  sequence.weights.reduce((sum, weight, i) => (i > 0 && weight > 0 ? sum + 1 : sum), 0);

/** A conversation as a labelled sequence, cut on the right at `maxLength`. @throws AuditError `data` when no label is left. */
export function trainingSequence(
  tokenizer: ChatTokenizer,
  messages: Conversation,
  maxLength: number,
  id: string,
): Sequence {
  const { ids, labelled } = tokenizer.encodeForTraining(messages);
  const weights = labelled.slice(0, maxLength).map(Number);
  if (!weights.some((weight, index) => index > 0 && weight > 0)) {
    throw new AuditError(
      'data',
      `training row ${id}: no response token is left within ${maxLength} tokens (the prompt alone has ${labelled.indexOf(true)})`,
      {
        hint: 'raise training.maxLength or shorten the row',
      },
    );
  }
  return { ids: ids.slice(0, maxLength), weights };
}

/**
 * Fine-tunes an adapter in place; the base stays as it is. The loss of a step is the mean over all its labelled
 * tokens, accumulation included, as TRL's `num_items_in_batch` makes it.
 * @throws AuditError `engine` when the loss is no longer a number, `interrupted` when the signal fires.
 */
export async function trainAdapter(
  decoder: Decoder,
  adapter: LoraAdapter,
  sequences: readonly Sequence[],
  settings: TrainingSettings,
  onStep: (step: TrainingStep) => void,
  signal?: AbortSignal,
): Promise<void> {
  const parameters = adapterParameters(adapter);
  const optimizer = createAdamW(parameters, { ...adamDefaults, weightDecay: settings.weightDecay });
  const attached = await decoder.attach(adapter);
  const layer = adapter.targetModules.flatMap((projection) => [
    loraInput(projection, 'a'),
    loraInput(projection, 'b'),
  ]);
  const trained: Trained = { layer, head: [], embedding: false };
  for (let step = 1; step <= settings.steps; step++) {
    const batches = stepSequences(sequences, step, settings);
    const all = batches.flat();
    const scale = 1 / all.reduce((sum, sequence) => sum + labelledWeight(sequence), 0);
    const gradients: Gradients = new Map();
    let loss = 0;
    for (const batch of batches) {
      throwIfAborted(signal);
      loss += await backpropagate(decoder, batch, attached, scale, trained, gradients);
    }
    const gradientNorm = clipGradients(gradients, settings.maxGradientNorm);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw diverged(`at step ${step}: loss ${loss}, gradient norm ${gradientNorm}`);
    const learningRate = learningRateAt(step, settings);
    optimizer.step(gradients, learningRate);
    const tokens = all.reduce((sum, sequence) => sum + sequence.ids.length, 0);
    const labelled = all.reduce((sum, sequence) => sum + labelledTokens(sequence), 0);
    onStep({ step, loss, gradientNorm, learningRate, tokens, labelledTokens: labelled });
  }
  if (nonFiniteTensors(adapter).length > 0) throw diverged('in the last step');
}

function diverged(where: string): AuditError {
  return new AuditError('engine', `training diverged ${where}`, {
    hint: 'lower training.learningRate, or set training.maxGradientNorm',
  });
}
