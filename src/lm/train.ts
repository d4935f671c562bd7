import type { Conversation } from '../conversation.ts';
import { AuditError, throwIfAborted } from '../errors.ts';
import type { EvaluationProgress, TrainingSettings, TrainingStep } from '../trainer.ts';
import { createAdamW8bit } from './adamw-8bit.ts';
import { backpropagate, type Gradients, parameterKey, type Trained } from './backpropagation.ts';
import type { Sequence } from './batch.ts';
import type { AttachedAdapter, Decoder } from './decoder.ts';
import { withDropout } from './dropout.ts';
import { evaluationLoss, hasStalled, isEvaluated, labelledWeight, lowestLoss } from './evaluation.ts';
import { loraInput, loraInputs } from './layer-tensors.ts';
import { type LoraAdapter, nonFiniteTensors } from './lora.ts';
import { clipGradients, createAdamW, learningRateAt, type Optimizer, type Parameter } from './optimizer.ts';
import { microBatches, trainingOrder } from './step-batches.ts';
import type { ChatTokenizer } from './tokenizer.ts';
import type { TrainingArrays, TrainingCheckpoint } from './training-checkpoint.ts';

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

const labelledTokens = (sequence: Sequence) =>
  sequence.weights.reduce((sum, weight, i) => (i > 0 && weight > 0 ? sum + 1 : sum), 0);

const optimizers = { adamw: createAdamW, adamw8bit: createAdamW8bit };

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

/** What a training may have besides its sequences. */
export interface TrainingExtras {
  /** Sequences that the evaluation loss is of. */
  readonly heldOut?: readonly Sequence[];
  /** Where an interrupted training left off, and where this one leaves its checkpoints. */
  readonly checkpoint?: TrainingCheckpoint;
  readonly onEvaluation?: (progress: EvaluationProgress) => void;
}

/**
 * Fine-tunes an adapter in place; the base stays as it is. The loss of a step is the mean over all its labelled
 * tokens, accumulation included, as TRL's `num_items_in_batch` makes it; how they are laid out in micro-batches does
 * not matter. With early stopping, the adapter of the lowest evaluation loss is left.
 * @returns every step, those before a checkpoint included; `onStep` is told the others.
 * @throws AuditError `engine` when the loss is no longer a number, `interrupted` when the signal fires, `config` when
 * the checkpoint is of another training.
 */
export async function trainAdapter(
  decoder: Decoder,
  adapter: LoraAdapter,
  sequences: readonly Sequence[],
  settings: TrainingSettings,
  onStep: (step: TrainingStep) => void,
  signal?: AbortSignal,
  { heldOut = [], checkpoint, onEvaluation }: TrainingExtras = {},
): Promise<TrainingStep[]> {
  const parameters = adapterParameters(adapter);
  const optimizer = optimizers[settings.optimizer ?? 'adamw'](parameters, {
    ...adamDefaults,
    weightDecay: settings.weightDecay,
  });
  const best = new Map(
    (settings.earlyStopping ? parameters : []).map(({ key, data }) => [`best/${key}`, data.slice()]),
  );
  const arrays: TrainingArrays = new Map<string, Float32Array | Uint8Array>([
    ...parameters.map(({ key, data }) => [key, data] as const),
    ...optimizer.state,
    ...best,
  ]);
  const attached = await decoder.attach(adapter);
  const history = (await checkpoint?.restore(arrays)) ?? [];
  optimizer.steps = history.length;
  const order = trainingOrder(
    sequences.map(({ ids }) => ids.length),
    settings,
  );
  const perStep = settings.batchSize * settings.gradientAccumulation;
  while (history.length < settings.steps && !hasStalled(history, settings)) {
    const step = history.length + 1;
    const rows = order.slice((step - 1) * perStep, step * perStep);
    const own = rows.map((row) => sequences[row]!);
    const done = await trainStep(decoder, attached, own, step, settings, optimizer, signal);
    const loss = isEvaluated(step, settings)
      ? await evaluationLoss(decoder, heldOut, attached, settings, {
          signal,
          onEvaluated: (evaluated) => onEvaluation?.({ step, evaluated }),
        })
      : undefined;
    if (loss !== undefined && !Number.isFinite(loss))
      throw diverged(`after step ${step}: evaluation loss ${loss}`);
    if (loss !== undefined && loss < lowestLoss(history))
      for (const { key, data } of parameters) best.get(`best/${key}`)?.set(data);
    history.push({
      ...done,
      ...(loss !== undefined && { evaluationLoss: loss }),
      ...(settings.groupByLength && { rows }),
    });
    onStep(history.at(-1)!);
    if (settings.checkpointEvery && step % settings.checkpointEvery === 0 && step < settings.steps)
      checkpoint?.save(history, arrays);
  }
  for (const { key, data } of parameters) data.set(best.get(`best/${key}`) ?? data);
  if (nonFiniteTensors(adapter).length > 0) throw diverged('in the last step');
  return history;
}

/** Gradients of a step's sequences, and the update that they make. */
async function trainStep(
  decoder: Decoder,
  attached: AttachedAdapter,
  sequences: readonly Sequence[],
  step: number,
  settings: TrainingSettings,
  optimizer: Optimizer,
  signal: AbortSignal | undefined,
): Promise<TrainingStep> {
  const layer = loraInputs(attached.layers[0]!.shape.keys());
  const trained: Trained = { layer, head: [], embedding: false };
  const scale = 1 / labelledWeight(sequences);
  const gradients: Gradients = new Map();
  let loss = 0;
  for (const [micro, batch] of microBatches(sequences, settings, decoder.config.contextLength).entries()) {
    throwIfAborted(signal);
    const { lora, seed } = settings;
    const dropped = withDropout(attached, decoder.config, lora.dropout ?? 0, seed, step, micro);
    loss += await backpropagate(decoder, batch, dropped, scale, trained, gradients);
  }
  const gradientNorm = clipGradients(gradients, settings.maxGradientNorm);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
    throw diverged(`at step ${step}: loss ${loss}, gradient norm ${gradientNorm}`);
  const learningRate = learningRateAt(step, settings);
  optimizer.step(gradients, learningRate);
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const labelled = sequences.reduce((sum, sequence) => sum + labelledTokens(sequence), 0);
  return { step, loss, gradientNorm, learningRate, tokens, labelledTokens: labelled };
}

function diverged(where: string): AuditError {
  return new AuditError('engine', `training diverged ${where}`, {
    hint: 'lower training.learningRate, or set training.maxGradientNorm',
  });
}
