import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { sha256 } from '../../src/hash.ts';
import { decoderTensorShapes, openCheckpoint, writeCheckpoint } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { openSafetensors, type TensorData, writeSafetensors } from '../../src/lm/safetensors.ts';
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from '../../src/onnx/tensor.ts';

const fixtures = join(import.meta.dirname, '../fixtures/parity');

function load(directory: string): Map<string, TensorData> {
  const config = readDecoderConfig(directory);
  const checkpoint = openCheckpoint(directory, config);
  const weights = new Map(
    checkpoint.names.map((name) => [
      name,
      { shape: checkpoint.info(name).shape, data: checkpoint.read(name) },
    ]),
  );
  checkpoint.close();
  return weights;
}

/** Values by their hash: comparing long arrays one by one is slow. */
const valuesOf = (weights: ReadonlyMap<string, TensorData>, change = (data: Float32Array) => data) =>
  [...weights].map(([name, { data }]) => [name, sha256(new Uint8Array(change(data).buffer))]);

describe('a directory written by transformers', () => {
  const tied = load(join(fixtures, 'tied'));

  it('has every tensor of its config, in float32', () => {
    const expected = decoderTensorShapes(readDecoderConfig(join(fixtures, 'tied')));
    expect(expected.size).toBe(2 + 2 * 9);
    expect(new Map([...tied].map(([name, { shape }]) => [name, shape]))).toEqual(expected);
    for (const { shape, data } of tied.values())
      expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
  });

  it('has an output projection of its own where it is not tied', () => {
    expect(load(join(fixtures, 'untied')).get('lm_head.weight')?.shape).toEqual([264, 40]);
    expect(tied.has('lm_head.weight')).toBe(false);
  });

  it('rounds to F16 and to BF16 exactly as PyTorch does', () => {
    expect(valuesOf(load(join(fixtures, 'tied-f16')))).toEqual(
      valuesOf(tied, (data) => halfToFloat(floatToHalf(data))),
    );
    expect(valuesOf(load(join(fixtures, 'tied-bf16-sharded')))).toEqual(
      valuesOf(tied, (data) => bfloat16ToFloat(floatToBfloat16(data))),
    );
  });

  it('is known by a hash over all weight files', async () => {
    const single = join(fixtures, 'tied');
    const file = readFileSync(join(single, 'model.safetensors'));
    const hashOf = async (directory: string) => {
      const checkpoint = openCheckpoint(directory, readDecoderConfig(directory));
      const hash = await checkpoint.sha256();
      checkpoint.close();
      return hash;
    };
    expect(await hashOf(single)).toBe(sha256(file));
    expect(await hashOf(join(fixtures, 'tied-bf16-sharded'))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a tied checkpoint with a head of its own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aftertune-head-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const withHead = (change: number) => {
    cpSync(join(fixtures, 'tied'), folder, { recursive: true });
    const tensors = new Map(load(folder));
    const { shape, data } = tensors.get('model.embed_tokens.weight')!;
    tensors.set('lm_head.weight', { shape, data: data.map((value) => value + change) });
    writeSafetensors(join(folder, 'model.safetensors'), tensors);
    openCheckpoint(folder, readDecoderConfig(folder)).close();
  };

  it('is read where the head is the embedding, and refused by name where it was trained apart', () => {
    withHead(0);
    expect(() => withHead(0.5)).toThrow('lm_head.weight is not the embedding');
  });
});

describe('writeCheckpoint', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aftertune-checkpoint-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['tied', 'untied'])('gives config and weights of %s back', (name) => {
    const source = join(fixtures, name);
    const weights = load(source);
    const target = `${join(folder, name)}/`;
    writeCheckpoint(target, readDecoderConfig(source), weights);
    expect(readDecoderConfig(target)).toEqual(readDecoderConfig(source));
    expect(valuesOf(load(target))).toEqual(valuesOf(weights));
    expect(readdirSync(target).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('replaces an older directory, and keeps it when writing fails', () => {
    const source = join(fixtures, 'tied');
    const config = readDecoderConfig(source);
    const target = join(folder, 'model');
    writeCheckpoint(target, config, load(source), {
      dtype: 'BF16',
      fill: (temporary) => writeFileSync(join(temporary, 'extra'), ''),
    });
    expect(readdirSync(target)).toContain('extra');
    const fail = () => {
      throw new Error('no');
    };
    expect(() => writeCheckpoint(target, config, load(source), { fill: fail })).toThrow('no');
    expect(readdirSync(target)).toContain('extra');
    writeCheckpoint(target, config, load(source), { dtype: 'F16' });
    expect(readdirSync(target)).not.toContain('extra');
    expect(valuesOf(load(target))).toEqual(valuesOf(load(join(fixtures, 'tied-f16'))));
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('takes no weights that are not the config’s', () => {
    const source = join(fixtures, 'tied');
    expect(() => writeCheckpoint(join(folder, 'model'), readDecoderConfig(source), new Map())).toThrow(
      'internal',
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a directory with a problem', () => {
  let folder: string;
  const start = (name: string) => {
    folder = mkdtempSync(join(tmpdir(), 'aftertune-checkpoint-'));
    cpSync(join(fixtures, name), folder, { recursive: true });
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function failure(): {
    code: string;
    message: string;
    problems: readonly string[];
    hint: string | undefined;
  } {
    try {
      openCheckpoint(folder, readDecoderConfig(folder)).close();
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      return {
        code: error.code,
        message: error.message.replace(folder, ''),
        problems: error.problems,
        hint: error.hint,
      };
    }
    throw new Error('nothing was thrown');
  }

  it('names matrices of another format than config.json says', () => {
    start('tied-f16');
    const path = join(folder, 'config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), dtype: 'bfloat16' }));
    const { code, problems } = failure();
    expect(code).toBe('model');
    expect(problems[0]).toBe('model.embed_tokens.weight: dtype F16, config.json says bfloat16');
    expect(problems.join()).not.toContain('layernorm');
  });

  it('lists missing, misshapen and superfluous tensors at once', () => {
    start('tied');
    const weights = load(folder);
    weights.delete('model.norm.weight');
    weights.set('model.layers.0.self_attn.k_proj.weight', { shape: [8, 32], data: new Float32Array(256) });
    weights.set('model.layers.0.self_attn.q_proj.bias', { shape: [32], data: new Float32Array(32) });
    weights.set('model.layers.0.self_attn.rotary_emb.inv_freq', { shape: [4], data: new Float32Array(4) });
    weights.set('lm_head.weight', { shape: [264, 32], data: new Float32Array(264 * 32) });
    writeSafetensors(join(folder, 'model.safetensors'), weights);
    expect(failure()).toMatchObject({
      code: 'model',
      message: ': the weights do not match config.json (3 tensors)',
      problems: [
        'model.layers.0.self_attn.k_proj.weight: shape [8, 32], config.json implies [16, 32]',
        'model.norm.weight: missing',
        'model.layers.0.self_attn.q_proj.bias: no place for it in the model that config.json describes',
      ],
    });
  });

  it('leaves out of names what the model does not need', () => {
    start('tied');
    const weights = load(folder);
    const needed = [...weights.keys()];
    weights.set('lm_head.weight', weights.get('model.embed_tokens.weight')!);
    writeSafetensors(join(folder, 'model.safetensors'), weights);
    const checkpoint = openCheckpoint(folder, readDecoderConfig(folder));
    expect(checkpoint.names).toEqual(needed);
    checkpoint.close();
  });

  it('names a truncated file', () => {
    start('tied');
    truncateSync(join(folder, 'model.safetensors'), 50_000);
    const { code, message, problems, hint } = failure();
    expect({ code, message }).toMatchObject({
      code: 'model',
      message: expect.stringContaining('the header is wrong in'),
    });
    expect(problems.join()).toContain('the file at 50000');
    expect(hint).toContain('half-downloaded');
  });

  it.each([
    ['pytorch_model.bin', 'convert pytorch_model.bin with'],
    ['model.safetensors.incomplete', 'the download was not finished'],
    ['notes.txt', 'name a folder that holds model.safetensors'],
  ])('says what to do with %s alone', (name, hint) => {
    start('tied');
    rmSync(join(folder, 'model.safetensors'));
    writeFileSync(join(folder, name), '');
    const failed = failure();
    expect(failed).toMatchObject({ code: 'model', message: ': no model.safetensors', problems: [] });
    expect(failed.hint).toContain(hint);
  });

  describe('in its index', () => {
    const index = () => JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'));
    const putIndex = (value: unknown) =>
      writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(value));

    it('names missing shards, paths out of the folder and other things', () => {
      start('tied-bf16-sharded');
      rmSync(join(folder, 'model-00002-of-00003.safetensors'));
      const map = {
        ...index().weight_map,
        evil: '../model.safetensors',
        absolute: '/etc/passwd',
        number: 7,
        other: 'config.json',
      };
      putIndex({ weight_map: map });
      expect(failure().problems).toEqual([
        '"../model.safetensors" is not the name of a safetensors file in the same folder',
        '"/etc/passwd" is not the name of a safetensors file in the same folder',
        '7 is not the name of a safetensors file in the same folder',
        '"config.json" is not the name of a safetensors file in the same folder',
        'model-00002-of-00003.safetensors: no such file',
      ]);
    });

    it('sees a shard that is left out', () => {
      start('tied-bf16-sharded');
      const map = Object.entries(index().weight_map).filter(
        ([, file]) => file !== 'model-00003-of-00003.safetensors',
      );
      putIndex({ weight_map: Object.fromEntries(map) });
      expect(failure().problems.every((problem) => problem.endsWith(': missing'))).toBe(true);
    });

    it('sees a tensor in two shards', () => {
      start('tied-bf16-sharded');
      const name = 'model-00003-of-00003.safetensors';
      const file = openSafetensors(join(folder, name));
      const tensors = new Map(
        [...file.tensors].map(([tensor, { shape }]) => [tensor, { shape, data: file.read(tensor) }]),
      );
      file.close();
      const first = Object.keys(index().weight_map).find((tensor) => !tensors.has(tensor))!;
      tensors.set(first, { shape: [1], data: new Float32Array(1) });
      writeSafetensors(join(folder, name), tensors, { dtype: 'BF16' });
      expect(failure().problems).toContain(`${first}: in two files`);
    });

    it.each([[{}], [{ weight_map: [] }], [{ weight_map: {} }], [{ weight_map: 'x' }]])(
      'refuses %j',
      (value) => {
        start('tied-bf16-sharded');
        putIndex(value);
        expect(failure()).toMatchObject({ code: 'model', message: expect.stringContaining('weight_map') });
      },
    );
  });

  it('prefers model.safetensors to an index, as transformers does', () => {
    start('tied-bf16-sharded');
    for (const name of ['model.safetensors', 'config.json'])
      cpSync(join(fixtures, 'tied', name), join(folder, name));
    expect(valuesOf(load(folder))).toEqual(valuesOf(load(join(fixtures, 'tied'))));
  });

  it('is not fooled by a folder in place of the weights', () => {
    start('tied');
    rmSync(join(folder, 'model.safetensors'));
    mkdirSync(join(folder, 'model.safetensors'));
    expect(failure()).toMatchObject({ code: 'model', message: '/model.safetensors: is not a file' });
  });
});
