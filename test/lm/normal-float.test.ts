import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import { type Checkpoint, openCheckpoint, openSafetensors } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import type { Decoder } from '../../src/lm/decoder.ts';
import { layerGradientGraph, layerGraph } from '../../src/lm/decoder-graph.ts';
import { layerTensors, loraInputs } from '../../src/lm/layer-tensors.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { writeSafetensors } from '../../src/lm/safetensors.ts';
import { emitModel } from '../../src/onnx/emit.ts';
import { byteLengthOf, formatOf, type Stored } from '../../src/onnx/stored.ts';
import { projections } from '../../src/trainer.ts';
import { openDecoder } from './open-decoder.ts';
import { expectPeftGradients, logitsOf, relativeError } from './reference.ts';

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
const decoderOf = () => (opened ??= openDecoder(folder, { stored: true }));
afterAll(async () => (await opened)?.close());

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
    expect(relativeError(await logitsOf(decoder, [row], null), expected.read('logits'))).toBeLessThan(1e-5);
  });

  test('trains an adapter: loss and every gradient agree with PEFT', async () => {
    const decoder = await decoderOf();
    const adapter = await decoder.attach(readAdapter(`${folder}adapter`, config));
    const sequence = {
      ids: row,
      weights: (row as number[]).map((_, i) => Number(i >= row.length - labelled)),
    };
    const layer = loraInputs(projections);
    const found: Gradients = new Map();
    const trained = { layer, head: [], embedding: false };
    expect(await backpropagate(decoder, [sequence], adapter, 1 / labelled, trained, found)).toBeCloseTo(
      loss,
      5,
    );
    expect(found.size).toBe(2 * 2 * 7);
    expectPeftGradients(found, expected);
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
