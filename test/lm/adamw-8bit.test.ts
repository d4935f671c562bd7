import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createAdamW8bit, dynamicMap } from '../../src/lm/adamw-8bit.ts';
import { createAdamW } from '../../src/lm/optimizer.ts';
import { openSafetensors } from '../../src/lm/safetensors.ts';
import { adamDefaults } from '../../src/lm/train.ts';

/** What bitsandbytes' AdamW8bit did: see test/fixtures/adamw-8bit/README.md. */
const folder = fileURLToPath(new URL('../fixtures/adamw-8bit/', import.meta.url));
const { steps, learningRate, weightDecay, names } = JSON.parse(
  readFileSync(`${folder}settings.json`, 'utf8'),
) as { steps: number; learningRate: number; weightDecay: number; names: string[] };
const values = openSafetensors(`${folder}values.safetensors`);

const largestDifference = (a: ArrayLike<number>, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return b.reduce((largest, value, i) => Math.max(largest, Math.abs(a[i]! - value)), 0);
};

/** Float32 sums in another order may put a value on the other side of a midpoint: one in a thousand may differ. */
function expectMostlyEqual(
  found: ArrayLike<number>,
  expected: Float32Array,
  { within, never }: { within: number; never: number },
  name: string,
) {
  const others = expected.filter((value, i) => Math.abs(found[i]! - value) > within);
  expect(others.length / expected.length, name).toBeLessThan(1e-3);
  expect(largestDifference(found, expected), name).toBeLessThanOrEqual(never);
}

/** Our optimiser after the fixture's steps. */
function run(make: typeof createAdamW) {
  const parameters = names.map((key) => ({ key, data: values.read(`${key}.before`), decayed: true }));
  const optimizer = make(parameters, { ...adamDefaults, weightDecay });
  for (let step = 0; step < steps; step++) {
    const gradients = parameters.map(({ key, data }) => {
      const all = values.read(`${key}.gradients`);
      return [key, all.subarray(step * data.length, (step + 1) * data.length)] as const;
    });
    optimizer.step(new Map(gradients), learningRate);
  }
  return { optimizer, parameters };
}

test('the tables are bitsandbytes’', () => {
  for (const [name, signed] of [
    ['signed', true],
    ['unsigned', false],
  ] as const) {
    const expected = values.read(name);
    for (const [i, value] of dynamicMap(signed).entries())
      expect(Math.abs(value - expected[i]!), `${name} ${i}`).toBeLessThanOrEqual(2e-7 * Math.abs(value));
  }
});

test('parameters and state agree with bitsandbytes on both sides of the smallest size', () => {
  const { optimizer, parameters } = run(createAdamW8bit);
  expect(optimizer.state.get('small.mean')).toBeInstanceOf(Float32Array);
  expect(optimizer.state.get('smallest.mean')).toBeInstanceOf(Uint8Array);
  expect([...optimizer.state.keys()].sort()).toEqual(
    [...values.tensors.keys()].filter((name) => /mean|square/i.test(name)).sort(),
  );
  for (const { key, data } of parameters)
    expectMostlyEqual(data, values.read(`${key}.after`), { within: 1e-6, never: learningRate }, key);
  for (const [name, found] of optimizer.state) {
    const expected = values.read(name);
    if (found instanceof Float32Array) {
      const size = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      expect(largestDifference(found, expected), name).toBeLessThan(1e-6 * size);
    } else {
      expectMostlyEqual(found, expected, { within: 0, never: 1 }, name);
    }
  }
});

test('eight bits are not thirty-two: the comparison above can tell them apart', () => {
  const plain = run(createAdamW).parameters;
  for (const { key, data } of plain) {
    const difference = largestDifference(data, values.read(`${key}.after`));
    if (key === 'small') expect(difference).toBeLessThan(1e-6);
    else expect(difference, key).toBeGreaterThan(1e-4);
  }
});

test('a block of zeros stays zero, and a small negative mean keeps its sign', () => {
  const data = new Float32Array(4096);
  const optimizer = createAdamW8bit([{ key: 'w', data, decayed: false }], {
    ...adamDefaults,
    weightDecay: 0,
  });
  const gradient = new Float32Array(4096);
  gradient[0] = 1;
  gradient[1] = -1e-9;
  gradient[2] = 1e-9;
  optimizer.step(new Map([['w', gradient]]), 0.1);
  expect(data.subarray(256).every((value) => value === 0)).toBe(true);
  const mean = optimizer.state.get('w.mean')!;
  const map = dynamicMap(true);
  expect([...mean.subarray(0, 4)].map((place) => map[place])).toEqual([1, map[126], 0, 0]);
  optimizer.step(new Map([['w', new Float32Array(4096)]]), 0.1);
  expect(data.every(Number.isFinite)).toBe(true);
  expect(data.subarray(256).every((value) => value === 0)).toBe(true);
});
