import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openGguf } from '../../src/lm/gguf.ts';
import type { ModelFolder, TensorFile } from '../../src/lm/model-folder.ts';
import { decode, formatOf } from '../../src/onnx/stored.ts';

/** Files of the gguf package: scripts/parity/gguf_fixtures.py. */
const fixtures = join(import.meta.dirname, '../fixtures/gguf');
const folder = mkdtempSync(join(tmpdir(), 'aftertune-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

function valuesOf(file: TensorFile, name: string): Float32Array {
  return decode(file.readStored(name), 0, sizeOf(file.tensors.get(name)!.shape));
}

function oneFile(model: ModelFolder): TensorFile {
  const files = model.openWeights!();
  expect(files.length).toBe(1);
  return files[0]!;
}

interface Expected {
  readonly config: Record<string, unknown>;
  readonly tensors: Record<string, { readonly shape: number[]; readonly sha256: string }>;
}

const expected: Record<string, Expected> = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8'));

const plainRope = { rope_theta: 10_000, rope_type: 'default' };

describe.each(Object.keys(expected))('%s', async (name) => {
  const model = await openGguf(join(fixtures, `${name}.gguf`));
  const { config, tensors } = expected[name]!;

  it('has the config that transformers wrote for the checkpoint', () => {
    const got = JSON.parse(model.text('config.json')!) as Record<string, unknown>;
    const theirs: Record<string, unknown> = {
      // What the classes compute or assume where their config is silent.
      head_dim: Number(config.hidden_size) / Number(config.num_attention_heads),
      attention_bias: false,
      mlp_bias: false,
      ...config,
      // Not in the file: the class's default of one, a factor of 1 in the other.
      ...(name === 'phi3' ? { original_max_position_embeddings: 64, rope_parameters: plainRope } : {}),
    };
    for (const key of Object.keys(theirs)) if (!(key in got)) delete theirs[key];
    expect(got).toEqual(theirs);
    expect(JSON.parse(model.text('generation_config.json')!)).toEqual({
      bos_token_id: 1,
      eos_token_id: 2,
      pad_token_id: 0,
    });
  });

  it('has the tensors of the checkpoint, by their names', () => {
    const file = oneFile(model);
    const got = Object.fromEntries(
      [...file.tensors].map(([tensor, { shape }]) => {
        const values = valuesOf(file, tensor);
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
        return [tensor, { shape, sha256: createHash('sha256').update(bytes).digest('hex').slice(0, 16) }];
      }),
    );
    expect(got).toEqual(tensors);
    for (const [tensor, { dtype, shape }] of file.tensors) {
      expect([tensor, dtype]).toEqual([tensor, shape.length === 1 ? 'F32' : 'BF16']);
      expect(formatOf(file.readStored(tensor))).toBe(shape.length === 1 ? 'f32' : 'bf16');
    }
    file.close();
  });

  it('has no other files', () => {
    expect(model.text('chat_template.jinja')).toBeNull();
    expect(model.text('toString')).toBeNull();
  });
});

describe('number formats beside gguf-py', async () => {
  const file = oneFile(await openGguf(join(fixtures, 'blocks.gguf')));
  afterAll(() => file.close());

  /** The largest difference to what gguf-py makes of the same blocks, relative to the largest value of 32 neighbours. */
  function difference(name: string): number {
    const got = valuesOf(file, name);
    const want = valuesOf(file, `${name}.expected`);
    expect(got.length).toBe(want.length);
    let worst = 0;
    for (let from = 0; from < want.length; from += 32) {
      const near = want.slice(from, from + 32);
      const largest = Math.max(...near.map(Math.abs), 1e-30);
      for (const [i, value] of near.entries())
        worst = Math.max(worst, Math.abs(got[from + i]! - value) / largest || 0);
      if (got.slice(from, from + 32).some(Number.isNaN)) return Number.NaN;
    }
    return worst;
  }

  it.each([
    ['F32', 'f32'],
    ['F16', 'f16'],
    ['BF16', 'bf16'],
    ['Q8_0', 'int8/32'],
    ['Q4_0', 'int4/32'],
    ['Q5_0', 'int8/32'],
    ['Q6_K', 'int8/16'],
  ])('%s is exact', (name, format) => {
    expect(formatOf(file.readStored(name))).toBe(format);
    expect(valuesOf(file, name)).toEqual(valuesOf(file, `${name}.expected`));
  });

  // The minimum becomes a zero point, which is rounded to float32.
  it.each([
    ['Q4_1', 'int4/32/zeros'],
    ['Q5_1', 'int8/32/zeros'],
    ['Q4_K', 'int4/32/zeros'],
    ['Q5_K', 'int8/32/zeros'],
  ])('%s is within float32 rounding', (name, format) => {
    expect(formatOf(file.readStored(name))).toBe(format);
    expect(difference(name)).toBeLessThan(2e-7);
    expect(difference(name)).toBeGreaterThan(0);
  });

  it('vectors are float32, whatever they are stored in', () => {
    for (const name of ['F16.vector', 'Q8_0.vector']) {
      expect(file.readStored(name)).toBeInstanceOf(Float32Array);
      expect(file.readStored(name)).toEqual(file.readStored(`${name}.expected`));
    }
  });
});

describe('a split file', () => {
  const part = (index: number, total = 2) => join(folder, `model-0000${index}-of-0000${total}.gguf`);
  copyFileSync(join(fixtures, 'chatml-tokenizer.gguf'), part(1));
  copyFileSync(join(fixtures, 'blocks.gguf'), part(2));

  it('is read from all its parts, metadata from the first', async () => {
    const model = await openGguf(part(1));
    expect(model.text('tokenizer.json')).toContain('<|im_start|>');
    const [first, second] = model.openWeights!();
    expect([first!.path, second!.path]).toEqual([part(1), part(2)]);
    expect(first!.tensors.size).toBe(0);
    expect(valuesOf(second!, 'Q4_0')).toEqual(valuesOf(second!, 'Q4_0.expected'));
    first!.close();
    second!.close();
  });

  it('is refused by name where a part is missing or a later one is named', async () => {
    copyFileSync(part(1), part(1, 3));
    await expect(openGguf(part(1, 3))).rejects.toMatchObject({
      code: 'model',
      message: `${part(1, 3)}: 2 of 3 parts are missing`,
    });
    await expect(openGguf(part(2))).rejects.toMatchObject({
      code: 'model',
      hint: `name the first one: ${part(1)}`,
    });
  });
});
