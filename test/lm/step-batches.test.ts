import { afterAll, beforeAll, expect, test } from 'vitest';
import { backpropagate, type Gradients, lossOf } from '../../src/lm/backpropagation.ts';
import { pack, type Sequence, trainingBatch } from '../../src/lm/batch.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { loraInputs } from '../../src/lm/layer-tensors.ts';
import { type LoraAdapter, readAdapter } from '../../src/lm/lora.ts';
import { microBatches, trainingOrder } from '../../src/lm/step-batches.ts';
import { createRandom } from '../../src/random.ts';
import { projections, type TrainingSettings } from '../../src/trainer.ts';
import { openDecoder, parity } from './open-decoder.ts';

let decoder: Decoder;
let adapter: LoraAdapter;
beforeAll(async () => {
  decoder = await openDecoder(`${parity}tied`);
  adapter = readAdapter(`${parity}adapter`, decoder.config);
});
afterAll(() => decoder.close());

const random = createRandom('step-batches');
const sequenceOf = (length: number): Sequence => ({
  ids: Array.from({ length }, () => 3 + random.integer(250)),
  weights: Array.from({ length }, (_, i) => Number(i >= length / 2)),
});
const settings = (over: Partial<TrainingSettings> = {}): TrainingSettings => ({
  lora: { r: 4, alpha: 8, targetModules: projections },
  steps: 30,
  batchSize: 2,
  gradientAccumulation: 3,
  learningRate: 0.01,
  warmupSteps: 0,
  schedule: 'constant',
  weightDecay: 0,
  maxGradientNorm: null,
  maxLength: 64,
  seed: 5,
  ...over,
});

async function gradientOfStep(batches: Sequence[][], labelled: number) {
  const gradients: Gradients = new Map();
  const attached = await decoder.attach(adapter);
  const layer = loraInputs(projections);
  let [loss, forwardLoss] = [0, 0];
  for (const batch of batches) {
    const trained = { layer, head: [], embedding: false };
    loss += await backpropagate(decoder, batch, attached, 1 / labelled, trained, gradients);
    forwardLoss += await lossOf(decoder, batch, attached, 1 / labelled);
  }
  return { loss, forwardLoss, gradients };
}

test('packed rows have the loss and the gradients that padded rows have', async () => {
  const sequences = [17, 9, 30, 5, 22, 13].map(sequenceOf);
  const labelled = sequences.flatMap(({ weights }) => weights).reduce((a, b) => a + b, 0);
  const padded = await gradientOfStep(microBatches(sequences, settings(), 128), labelled);
  const packs = microBatches(sequences, settings({ packing: true }), 48);
  expect(packs.map((batch) => batch.map(({ lengths }) => lengths))).toEqual([
    [
      [30, 5],
      [22, 9],
      [17, 13],
    ],
  ]);
  const packed = await gradientOfStep(packs, labelled);
  expect(Math.abs(packed.loss - padded.loss)).toBeLessThan(1e-5 * padded.loss);
  expect(Math.abs(packed.forwardLoss - packed.loss)).toBeLessThan(1e-6 * padded.loss);
  for (const [key, gradient] of padded.gradients) {
    const other = packed.gradients.get(key)!;
    const size = Math.hypot(...gradient);
    const error = Math.hypot(...gradient.map((value, i) => value - other[i]!));
    expect(size, key).toBeGreaterThan(0);
    expect(error / size, key).toBeLessThan(1e-5);
  }
});

test('in a pack positions start over, and nobody looks into another row', () => {
  const packs = [pack([sequenceOf(2), sequenceOf(3)]), pack([sequenceOf(1), sequenceOf(2)])];
  const { positions, mask, rows, length } = trainingBatch(packs);
  expect({ rows, length }).toEqual({ rows: 2, length: 5 });
  expect([...positions].map(Number)).toEqual([0, 1, 0, 1, 2, 0, 0, 1, 2, 2]);
  const seen = Array.from({ length: 10 }, (_, s) =>
    [...mask.subarray(s * 5, s * 5 + 5)].map((value) => (value === 0 ? 'x' : '.')).join(''),
  );
  const [first, second] = [seen.slice(0, 5), seen.slice(5)];
  expect(first).toEqual(['x....', 'xx...', '..x..', '..xx.', '..xxx']);
  expect(second).toEqual(['x....', '.x...', '.xx..', '.....', '.....']);
  expect(packs[0]!.weights).toEqual([0, 1, 0, 0, 1]);
});

test('packs are of about a length and lie side by side; a longer row has one to itself', () => {
  const lengths = [150, 200, 50, 500, 26, 300, 270, 100];
  const batches = microBatches(lengths.map(sequenceOf), settings({ packing: true }), 2048);
  expect(batches.map((batch) => batch.map((packed) => packed.lengths))).toEqual([
    [[500], [300]],
    [[270], [200], [150, 26]],
    [[100, 50]],
  ]);
  const short = microBatches([20, 30, 15].map(sequenceOf), settings({ packing: true }), 48);
  expect(short.map((batch) => batch.map((packed) => packed.lengths))).toEqual([[[20, 15], [30]]]);
});

test('rows are taken in order and start over; micro-batches follow that order', () => {
  expect(trainingOrder([1, 2, 3, 4], settings({ steps: 1 }))).toEqual([0, 1, 2, 3, 0, 1]);
  const sequences = [3, 4, 5, 6].map(sequenceOf);
  expect(microBatches(sequences, settings(), 128)).toEqual([sequences.slice(0, 2), sequences.slice(2)]);
});

test('grouping by length keeps every window’s rows, pads less, and its order follows the seed', () => {
  const lengths = Array.from({ length: 200 }, () => 10 + random.integer(100));
  const order = (over: Partial<TrainingSettings>) => trainingOrder(lengths, settings(over));
  const [plain, grouped] = [order({}), order({ groupByLength: true })];
  expect(plain).toHaveLength(180);
  const sorted = (rows: number[]) => [...rows].sort((a, b) => a - b);
  for (const from of [0, 100])
    expect(sorted(grouped.slice(from, from + 100))).toEqual(sorted(plain.slice(from, from + 100)));
  const padding = (rows: number[]) =>
    rows.reduce((sum, row, i) => sum + Math.abs(lengths[row]! - lengths[rows[i ^ 1]!]!) / 2, 0);
  expect(padding(grouped)).toBeLessThan(padding(plain) / 10);
  expect(order({ groupByLength: true })).toEqual(grouped);
  expect(order({ groupByLength: true, seed: 6 })).not.toEqual(grouped);
  const ascending = grouped.every((row, i) => i === 0 || lengths[row]! >= lengths[grouped[i - 1]!]!);
  expect(ascending).toBe(false);
});
