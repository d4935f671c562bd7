import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import type { Sequence } from '../../src/lm/batch.ts';
import { openSafetensors } from '../../src/lm/checkpoint.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { generate } from '../../src/lm/generate.ts';
import { layerTensors, loraInputs, weightName } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { trainAdapter } from '../../src/lm/train.ts';
import { projections, type TrainingStep } from '../../src/trainer.ts';
import { openDecoder } from './open-decoder.ts';
import { expectPeftGradients, logitsOf, relativeError } from './reference.ts';

/** What PyTorch, transformers and PEFT computed for tiny random models: see test/fixtures/parity/README.md. */
const folder = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));
const numbers = JSON.parse(readFileSync(`${folder}numbers.json`, 'utf8'));
const names = ['tied', 'tied-f16', 'tied-bf16-sharded', 'untied', 'adapter'] as const;

const decoders = new Map<string, Promise<Decoder>>();
function decoderOf(name: string): Promise<Decoder> {
  const directory = folder + (name === 'adapter' ? 'tied' : name);
  const known = decoders.get(directory);
  if (known) return known;
  const made = openDecoder(directory);
  decoders.set(directory, made);
  return made;
}
afterAll(async () => {
  for (const decoder of decoders.values()) await (await decoder).close();
});

const adapterOf = async (decoder: Decoder, name: string) =>
  name === 'adapter' ? decoder.attach(readAdapter(`${folder}adapter`, decoder.config)) : null;

/** Labels of the fixtures as loss weights; the padding is cut off. */
function sequencesOf(batch: {
  ids: number[][];
  labels: number[][];
  lengths?: number[];
  attentionMask?: number[][];
}): Sequence[] {
  return batch.ids.map((ids, row) => {
    const length = batch.lengths?.[row] ?? batch.attentionMask![row]!.reduce((a, b) => a + b, 0);
    return {
      ids: ids.slice(0, length),
      weights: batch.labels[row]!.slice(0, length).map((label) => Number(label >= 0)),
    };
  });
}

const sequences = sequencesOf(numbers.batch);
const labelled = sequences.flatMap(({ weights }) => weights.slice(1)).reduce((a, b) => a + b, 0);

describe.each(names)('%s agrees with transformers', (name) => {
  test('logits', async () => {
    const decoder = await decoderOf(name);
    const adapter = await adapterOf(decoder, name);
    const logits = await logitsOf(
      decoder,
      sequences.map(({ ids }) => ids),
      adapter,
    );
    expect(relativeError(logits, openSafetensors(`${folder}logits.safetensors`).read(name))).toBeLessThan(
      1e-5,
    );
  });

  test('loss on labelled tokens only', async () => {
    const decoder = await decoderOf(name);
    const nothing = { layer: [], head: [], embedding: false };
    const loss = await backpropagate(
      decoder,
      sequences,
      await adapterOf(decoder, name),
      1 / labelled,
      nothing,
      new Map(),
    );
    expect(loss).toBeCloseTo(numbers.models[name].loss, 4);
  });

  test('greedy tokens, with the cache, in one batch of unequal prompts', async () => {
    const decoder = await decoderOf(name);
    const expected: { prompt: number[]; tokens: number[]; topLogProbabilities: number[][] }[] =
      numbers.models[name].greedy;
    const settings = { maxTokens: 12, temperature: 0, topP: 1, stopIds: new Set<number>() };
    const adapter = await adapterOf(decoder, name);
    const prompts = expected.map(({ prompt }) => prompt);
    const answers = await generate(
      decoder,
      adapter,
      prompts,
      prompts.map(() => 0),
      settings,
    );
    expect(answers.map((answer) => answer.map(({ id }) => id))).toEqual(expected.map(({ tokens }) => tokens));
    const top = answers.flatMap((answer) => answer.flatMap(({ topLogProbabilities }) => topLogProbabilities));
    expect(
      relativeError(
        top,
        expected.flatMap(({ topLogProbabilities }) => topLogProbabilities.flat()),
      ),
    ).toBeLessThan(1e-5);
  });
});

test('greedy tokens are the same when everything is recomputed for every token', async () => {
  const decoder = await decoderOf('tied');
  for (const { prompt, tokens } of numbers.models.tied.greedy as { prompt: number[]; tokens: number[] }[]) {
    const ids = [...prompt];
    const settings = { maxTokens: 1, temperature: 0, topP: 1, stopIds: new Set<number>() };
    while (ids.length < prompt.length + tokens.length)
      ids.push((await generate(decoder, null, [ids], [0], settings))[0]![0]!.id);
    expect(ids.slice(prompt.length)).toEqual(tokens);
  }
});

test('every LoRA gradient agrees with PEFT', async () => {
  const decoder = await decoderOf('adapter');
  const layer = loraInputs(projections);
  const found: Gradients = new Map();
  await backpropagate(
    decoder,
    sequences,
    await adapterOf(decoder, 'adapter'),
    1 / labelled,
    { layer, head: [], embedding: false },
    found,
  );
  expectPeftGradients(found, openSafetensors(`${folder}adapter-gradients.safetensors`));
});

test('every full-parameter gradient agrees with PyTorch', async () => {
  const decoder = await decoderOf('tied');
  const found: Gradients = new Map();
  const weightNames = layerTensors(decoder.config).map(({ input }) => input);
  const trained = { layer: weightNames, head: ['norm.weight', 'head.weight'], embedding: true };
  await backpropagate(decoder, sequences, null, 1 / labelled, trained, found);
  const expected = openSafetensors(`${folder}tied-gradients.safetensors`);
  const tied = found.get('head.weight')!.map((value, i) => value + found.get('embedding')![i]!);
  expect(relativeError(tied, expected.read('model.embed_tokens.weight'))).toBeLessThan(1e-4);
  expect(relativeError(found.get('norm.weight')!, expected.read('model.norm.weight'))).toBeLessThan(1e-4);
  for (let index = 0; index < decoder.config.layers; index++) {
    for (const name of weightNames) {
      expect(
        relativeError(found.get(`${index}/${name}`)!, expected.read(weightName(index, name))),
        `${index}/${name}`,
      ).toBeLessThan(1e-4);
    }
  }
});

test('ten training losses, their gradient norms and rates, and the final adapter agree with PyTorch', async () => {
  const decoder = await decoderOf('adapter');
  const adapter = readAdapter(`${folder}adapter`, decoder.config);
  const { settings, microBatches, history, finalLossOfBatch } = numbers.training;
  const rows = microBatches.flatMap(sequencesOf);
  const lora = { r: 4, alpha: 8, targetModules: projections };
  const steps: TrainingStep[] = [];
  await trainAdapter(decoder, adapter, rows, { ...settings, lora, maxLength: 64, seed: 1 }, (step) =>
    steps.push(step),
  );
  expect(steps.map(({ step, labelledTokens }) => [step, labelledTokens])).toEqual(
    history.map(({ step, labelledTokens }: TrainingStep) => [step, labelledTokens]),
  );
  for (const key of ['loss', 'gradientNorm', 'learningRate'] as const) {
    expect(
      relativeError(
        steps.map((step) => step[key]),
        history.map((step: TrainingStep) => step[key]),
      ),
      key,
    ).toBeLessThan(1e-4);
  }
  const nothing = { layer: [], head: [], embedding: false };
  const final = await backpropagate(
    decoder,
    sequences,
    await decoder.attach(adapter),
    1 / labelled,
    nothing,
    new Map(),
  );
  expect(final).toBeCloseTo(finalLossOfBatch, 3);
});
