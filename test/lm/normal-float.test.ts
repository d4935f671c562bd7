import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import { createBatch } from '../../src/lm/batch.ts';
import { type Checkpoint, openCheckpoint, openSafetensors } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder, type Decoder } from '../../src/lm/decoder.ts';
import { layerGradientGraph, layerGraph } from '../../src/lm/decoder-graph.ts';
import { layerTensors, loraInput, weightName } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { writeSafetensors } from '../../src/lm/safetensors.ts';
import { emitModel } from '../../src/onnx/emit.ts';
import { byteLengthOf, formatOf, type Stored } from '../../src/onnx/stored.ts';
import { projections } from '../../src/trainer.ts';

/** A base that bitsandbytes quantised, and what PyTorch and PEFT compute with it: see scripts/parity/normal_float.py. */
const folder = fileURLToPath(new URL('../fixtures/normal-float/', import.meta.url));
const { row, labelled, loss } = JSON.parse(readFileSync(`${folder}numbers.json`, 'utf8'));
const expected = openSafetensors(`${folder}expected.safetensors`);
const config = readDecoderConfig(folder);

const withCheckpoint = <T>(use: (checkpoint: Checkpoint) => T): T => {
  const checkpoint = openCheckpoint(folder, config);
  try {
    return use(checkpoint);
  } finally {
    checkpoint.close();
  }
};

let opened: Promise<Decoder> | undefined;
const decoderOf = () =>
  (opened ??= withCheckpoint((checkpoint) =>
    createDecoder(config, new Map(checkpoint.names.map((name) => [name, checkpoint.readStored(name)])), 1),
  ));
afterAll(async () => (await opened)?.close());

function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let [error, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(error / size);
}

describe('a base in 4-bit NormalFloat', () => {
  test('decodes to what bitsandbytes decodes', () => {
    withCheckpoint((checkpoint) => {
      const names = [...expected.tensors.keys()].filter((name) => name.startsWith('weight.'));
      expect(names.length).toBe(2);
      for (const name of names)
        expect(relativeError(checkpoint.read(name.slice(7)), expected.read(name))).toBeLessThan(1e-7);
    });
  });

  test('stays at 4 bits in memory', () => {
    withCheckpoint((checkpoint) => {
      const stored = checkpoint.readStored('model.layers.0.mlp.up_proj.weight') as Stored;
      expect(formatOf(stored)).toBe('nf4/64');
      expect(byteLengthOf(stored)).toBe((320 * 64) / 2 + (320 * 64 * 4) / 64);
    });
  });

  test('gives the logits of the dequantised model', async () => {
    const decoder = await decoderOf();
    const batch = createBatch([row]);
    let x = decoder.embed(batch.ids);
    for (let layer = 0; layer < config.layers; layer++) x = (await decoder.layer(layer, x, batch, null)).y;
    const { logits } = await decoder.distribution(x, 10, true);
    expect(relativeError(logits!, expected.read('logits'))).toBeLessThan(1e-5);
  });

  test('trains an adapter: loss and every gradient agree with PEFT', async () => {
    const decoder = await decoderOf();
    const adapter = await decoder.attach(readAdapter(`${folder}adapter`, config));
    const sequence = {
      ids: row,
      weights: (row as number[]).map((_, i) => Number(i >= row.length - labelled)),
    };
    const layer = projections.flatMap((matrix) => [loraInput(matrix, 'a'), loraInput(matrix, 'b')]);
    const found: Gradients = new Map();
    const trained = { layer, head: [], embedding: false };
    expect(await backpropagate(decoder, [sequence], adapter, 1 / labelled, trained, found)).toBeCloseTo(
      loss,
      5,
    );
    expect(found.size).toBe(2 * 2 * 7);
    for (const [key, gradient] of found) {
      const [index, input] = key.split('/') as [string, string];
      const [matrix, factor] = input.split('.') as [string, string];
      const module = weightName(Number(index), `${matrix}.lora_${factor.toUpperCase()}.weight`);
      expect(relativeError(gradient, expected.read(`base_model.model.${module}`)), key).toBeLessThan(1e-4);
    }
  });

  test('never meets MatMulBnb4, whose transposed form is wrong', () => {
    const formats = new Map(
      layerTensors(config).flatMap(({ input, kind }) =>
        kind === 'matrix' ? [[input, 'nf4/64'] as const] : [],
      ),
    );
    const graphs = [
      layerGradientGraph(config, new Map([['q_proj', { r: 2, scale: 1 }]]), ['q_proj.a'], 'nothing', formats),
      layerGraph(config, null, { formats }),
    ];
    for (const { graph, outputs } of graphs) {
      const text = Buffer.from(emitModel(graph, outputs).bytes).toString('latin1');
      expect(text).toContain('.absmax');
      expect(text).not.toContain('MatMulBnb4');
    }
  });
});

describe('a damaged base', () => {
  const root = mkdtempSync(join(tmpdir(), 'aftertune-nf4-'));
  afterAll(() => rmSync(root, { recursive: true }));

  test('names the part that is missing', () => {
    const copy = join(root, 'copy');
    cpSync(folder, copy, { recursive: true });
    const file = openSafetensors(join(folder, 'model.safetensors'));
    const floats = [...file.tensors].filter(([, { dtype }]) => dtype !== 'U8');
    const kept = new Map(floats.map(([name, { shape }]) => [name, { shape, data: file.read(name) }]));
    writeSafetensors(join(copy, 'model.safetensors'), kept);
    file.close();
    let error: unknown;
    try {
      openCheckpoint(copy, config);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(AuditError);
    expect((error as AuditError).problems).toContain('model.layers.0.self_attn.q_proj.weight: missing');
  });
});
