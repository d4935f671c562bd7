import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import { createEngine } from '../../src/lm/engine.ts';
import { hasStalled } from '../../src/lm/evaluation.ts';
import { holdOut } from '../../src/lm/hold-out.ts';
import type { EvaluationProgress, TrainingRow, TrainingSettings, TrainingStep } from '../../src/trainer.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { tinyJob } from './tiny-job.ts';

const row = (id: string): TrainingRow => ({
  id,
  messages: [...ask(id), { role: 'assistant', content: id }],
});
const idsOf = (rows: readonly TrainingRow[]) => rows.map(({ id }) => id);

test('held-out rows are never trained on, also where the data is gone through twice', () => {
  const rows = [...'abcdefghij', ...'jihgfedcba'].map(row);
  const { training, heldOut } = holdOut(rows, { evaluation: { every: 1, rows: 3 }, seed: 1 });
  expect(heldOut).toHaveLength(3);
  expect(training).toHaveLength(14);
  expect(idsOf(training).filter((id) => idsOf(heldOut).includes(id))).toEqual([]);
  const fraction = holdOut(rows, { evaluation: { every: 1, fraction: 0.2 }, seed: 1 });
  expect(fraction.heldOut).toHaveLength(2);
  expect(holdOut(rows, { evaluation: null, seed: 1 })).toEqual({ training: rows, heldOut: [] });
  expect(() => holdOut(rows, { evaluation: { every: 1, rows: 10 }, seed: 1 })).toThrow(
    'training.evaluation holds out 10 of 10 rows',
  );
});

test('patience counts evaluations without a better loss', () => {
  const history = (...losses: (number | undefined)[]) =>
    losses.map((evaluationLoss) => ({ evaluationLoss }) as TrainingStep);
  const stalled = (steps: TrainingStep[], minDelta = 0) =>
    hasStalled(steps, { earlyStopping: { patience: 2, minDelta } });
  expect(stalled(history(3, undefined, 2, 2.5, undefined))).toBe(false);
  expect(stalled(history(3, 2, 2.5, undefined, 2))).toBe(true);
  expect(stalled(history(3, 2.95, 2.9))).toBe(false);
  expect(stalled(history(3, 2.95, 2.9), 0.1)).toBe(true);
  expect(hasStalled(history(1, 2, 3, 4), { earlyStopping: null })).toBe(false);
});

async function train(over: Partial<TrainingSettings>) {
  const job = tinyJob(join(temporaryFolder(), 'adapter'), over);
  const { history, directory } = await createEngine(1).train(job, () => {});
  return { history, weights: readFileSync(join(directory, 'adapter_model.safetensors')) };
}

test('the loss of held-out rows is recorded every so many steps and after the last, and changes nothing', async () => {
  const over = { steps: 5, evaluation: { every: 2, rows: 2 } };
  const { history, weights } = await train(over);
  const evaluated = history.map(({ evaluationLoss }) => evaluationLoss !== undefined);
  expect(evaluated).toEqual([false, true, false, true, true]);
  const often = await train({ ...over, evaluation: { every: 1, rows: 2 } });
  expect(often.weights.equals(weights)).toBe(true);
  expect(often.history.map(({ loss }) => loss)).toEqual(history.map(({ loss }) => loss));
  // Held-out rows are like the others here: learning one is learning the other.
  const losses = often.history.map(({ evaluationLoss }) => evaluationLoss!);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  const packed = await train({ ...over, packing: true });
  for (const [i, { evaluationLoss }] of packed.history.entries())
    if (evaluationLoss) expect(evaluationLoss).toBeCloseTo(history[i]!.evaluationLoss!, 4);
});

test.each([false, true])('says how far an evaluation has come (packing: %s)', async (packing) => {
  const seen: EvaluationProgress[] = [];
  const over = { steps: 2, evaluation: { every: 2, rows: 4 }, batchSize: 2, packing };
  await createEngine(1).train(tinyJob(join(temporaryFolder(), 'adapter'), over), (event) => {
    if ('evaluated' in event) seen.push(event);
  });
  const shares = packing ? [1] : [0.5, 1];
  expect(seen).toEqual(shares.map((evaluated) => ({ step: 2, evaluated })));
});

test('early stopping ends the training and keeps the best adapter', async () => {
  // A rate at which the loss soon rises again.
  const over = { steps: 40, learningRate: 0.3, warmupSteps: 0, schedule: 'constant' as const };
  const evaluation = { every: 1, rows: 2 };
  const stopped = await train({
    ...over,
    evaluation,
    earlyStopping: { patience: 3, minDelta: 0 },
  });
  const losses = stopped.history.map(({ evaluationLoss }) => evaluationLoss!);
  const best = losses.indexOf(Math.min(...losses));
  expect(losses.length).toBeLessThan(40);
  expect(losses.length).toBe(best + 1 + 3);
  const until = await train({ ...over, evaluation, steps: best + 1 });
  expect(until.weights.equals(stopped.weights)).toBe(true);
});
