import { expect, test } from 'vitest';
import { clipGradients, createAdamW, learningRateAt } from '../../src/lm/optimizer.ts';

test('AdamW follows its definition step by step', () => {
  const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 };
  const data = Float32Array.of(1, -2);
  const optimizer = createAdamW([{ key: 'w', data, decayed: true }], settings);
  let [expected, mean, square] = [
    [1, -2],
    [0, 0],
    [0, 0],
  ];
  for (const [index, gradient] of [
    [0.5, -0.1],
    [0.2, 0.4],
    [-0.3, 0.2],
  ].entries()) {
    const step = index + 1;
    optimizer.step(new Map([['w', Float32Array.from(gradient)]]), 0.01);
    mean = mean.map((m, i) => 0.9 * m + 0.1 * gradient[i]!);
    square = square.map((v, i) => 0.999 * v + 0.001 * gradient[i]! ** 2);
    expected = expected.map((w, i) => {
      const update = mean[i]! / (1 - 0.9 ** step) / (Math.sqrt(square[i]! / (1 - 0.999 ** step)) + 1e-8);
      return w - 0.01 * 0.1 * w - 0.01 * update;
    });
  }
  expect([...data].map((w) => w.toFixed(6))).toEqual(expected.map((w) => w.toFixed(6)));
});

test('a parameter that is not decayed only moves by its gradient', () => {
  const data = Float32Array.of(3);
  const optimizer = createAdamW([{ key: 'norm', data, decayed: false }], {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.5,
  });
  optimizer.step(new Map([['norm', Float32Array.of(0)]]), 0.1);
  expect(data[0]).toBe(3);
  expect(() => optimizer.step(new Map(), 0.1)).toThrow('internal: no gradient for norm');
});

test('clipping keeps the direction and returns the norm before', () => {
  const gradients = new Map([
    ['a', Float32Array.of(3)],
    ['b', Float32Array.of(0, 4)],
  ]);
  expect(clipGradients(gradients, 1)).toBe(5);
  expect([...gradients.get('a')!, ...gradients.get('b')!].map((g) => g.toFixed(4))).toEqual([
    '0.6000',
    '0.0000',
    '0.8000',
  ]);
  expect(clipGradients(gradients, null)).toBeCloseTo(1, 4);
});

test('the schedule warms up from 0, peaks, and falls to 0 past the last step', () => {
  const settings = { learningRate: 1, warmupSteps: 2, steps: 6, schedule: 'linear' } as const;
  expect([1, 2, 3, 4, 5, 6, 7].map((step) => learningRateAt(step, settings))).toEqual([
    0, 0.5, 1, 0.75, 0.5, 0.25, 0,
  ]);
  expect(learningRateAt(6, { ...settings, schedule: 'constant' })).toBe(1);
});
