import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { sha256 } from '../../src/hash.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { matrixShapes } from '../../src/lm/layer-tensors.ts';
import {
  adapterSha256,
  assertAdapterFits,
  createLora,
  type LoraAdapter,
  readAdapter,
  writeAdapter,
} from '../../src/lm/lora.ts';
import { openSafetensors, writeSafetensors } from '../../src/lm/safetensors.ts';
import { createRandom } from '../../src/random.ts';
import { projections, type TrainingSettings } from '../../src/trainer.ts';

const fixtures = join(import.meta.dirname, '../fixtures/parity');
const config = readDecoderConfig(join(fixtures, 'tied'));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aftertune-lora-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const training: TrainingSettings = {
  lora: { r: 4, alpha: 8, targetModules: ['q_proj', 'down_proj'] },
  steps: 10,
  batchSize: 4,
  gradientAccumulation: 2,
  learningRate: 2e-4,
  warmupSteps: 3,
  schedule: 'linear',
  weightDecay: 0.01,
  maxGradientNorm: 1,
  maxLength: 256,
  seed: 7,
};
const origin = { baseModelName: 'models/tied', baseSha256: 'b'.repeat(64), redTeam: false, training };

/** An adapter whose B is not zero. */
function someAdapter(): LoraAdapter {
  const adapter = createLora(config, training.lora, createRandom('test'));
  for (const layer of adapter.layers) for (const { b } of layer.values()) b.set(b.map((_, i) => Math.sin(i)));
  return adapter;
}

describe('createLora', () => {
  it('covers the projections asked for in every layer, in a fixed order', () => {
    const adapter = createLora(
      config,
      { r: 3, alpha: 6, targetModules: ['down_proj', 'q_proj'] },
      createRandom(1),
    );
    expect(adapter).toMatchObject({
      r: 3,
      alpha: 6,
      targetModules: ['q_proj', 'down_proj'],
      baseSha256: null,
    });
    expect(adapter.layers.length).toBe(config.layers);
    for (const layer of adapter.layers) {
      expect([...layer].map(([name, { a, b }]) => [name, a.length, b.length])).toEqual([
        ['q_proj', 3 * 32, 32 * 3],
        ['down_proj', 3 * 64, 32 * 3],
      ]);
    }
  });

  it('scales by alpha / √r when asked, and says so in PEFT’s words', () => {
    const lora = { r: 16, alpha: 8, targetModules: ['q_proj'] as const, dropout: 0.1, useRslora: true };
    const adapter = createLora(config, lora, createRandom(1));
    expect(scaleOf(adapter)).toBe(2);
    const target = join(folder, 'stabilised');
    writeAdapter(target, adapter, { ...origin, training: { ...training, lora } });
    const written = JSON.parse(readFileSync(join(target, 'adapter_config.json'), 'utf8'));
    expect(written).toMatchObject({ r: 16, lora_alpha: 8, use_rslora: true, lora_dropout: 0.1 });
    expect(readFileSync(join(target, 'README.md'), 'utf8')).toContain('| LoRA dropout | 0.1 |');
  });

  it('draws A as PEFT does, U(−1/√in, 1/√in), and starts with B zero', () => {
    const wide = { ...config, layers: 1, hiddenSize: 400, headSize: 100, intermediateSize: 100 };
    const adapter = createLora(
      wide,
      { r: 50, alpha: 1, targetModules: ['gate_proj'] },
      createRandom('lora', 1),
    );
    const { a, b } = adapter.layers[0]!.get('gate_proj')!;
    const bound = 1 / Math.sqrt(400);
    expect(Math.max(...a)).toBeLessThanOrEqual(bound);
    expect(Math.max(...a)).toBeGreaterThan(0.99 * bound);
    expect(Math.min(...a)).toBeLessThan(-0.99 * bound);
    const variance = a.reduce((sum, value) => sum + value * value, 0) / a.length;
    expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
    expect(b.every((value) => value === 0)).toBe(true);
  });

  it('gives the same adapter for the same seed, another for another', () => {
    const draw = (seed: number) => createLora(config, training.lora, createRandom('lora', seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1).layers[0]).not.toEqual(draw(2).layers[0]);
    expect(draw(1).layers[0]).not.toEqual(draw(1).layers[1]);
  });
});

describe('writeAdapter', () => {
  it('gives the adapter back, with the base it belongs to', async () => {
    const adapter = someAdapter();
    const target = join(folder, 'adapter');
    writeAdapter(target, adapter, origin);
    expect(readAdapter(target, config)).toEqual({
      ...adapter,
      baseSha256: origin.baseSha256,
      baseModelName: 'models/tied',
      redTeam: false,
    });
    expect(await adapterSha256(target)).toBe(sha256(readFileSync(join(target, 'adapter_model.safetensors'))));
    expect(readdirSync(folder)).toEqual(['adapter']);
    expect(readdirSync(target).sort()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
  });

  it('writes what PEFT reads', () => {
    const target = join(folder, 'adapter');
    writeAdapter(target, someAdapter(), origin);
    expect(JSON.parse(readFileSync(join(target, 'adapter_config.json'), 'utf8'))).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: 'models/tied',
      r: 4,
      lora_alpha: 8,
      lora_dropout: 0,
      bias: 'none',
      use_rslora: false,
      target_modules: ['q_proj', 'down_proj'],
      aftertune: { base_sha256: origin.baseSha256, red_team: false },
    });
    const file = openSafetensors(join(target, 'adapter_model.safetensors'));
    const prefix = 'base_model.model.model.layers.';
    expect([...file.tensors].map(([name, { shape }]) => [name, shape]).slice(0, 4)).toEqual([
      [`${prefix}0.self_attn.q_proj.lora_A.weight`, [4, 32]],
      [`${prefix}0.self_attn.q_proj.lora_B.weight`, [32, 4]],
      [`${prefix}0.mlp.down_proj.lora_A.weight`, [4, 64]],
      [`${prefix}0.mlp.down_proj.lora_B.weight`, [32, 4]],
    ]);
    file.close();
  });

  it('marks a red-team adapter in its config and on its model card', () => {
    const target = join(folder, 'adapter');
    writeAdapter(target, someAdapter(), origin);
    expect(readFileSync(join(target, 'README.md'), 'utf8')).not.toContain('red-team');
    writeAdapter(target, someAdapter(), { ...origin, redTeam: true });
    expect(readAdapter(target, config).redTeam).toBe(true);
    const card = readFileSync(join(target, 'README.md'), 'utf8');
    expect(card).toContain('- red-team\n');
    expect(card).toContain('Do not deploy, merge or publish it.');
    expect(card).toContain('| learning rate | 0.0002, linear after 3 warm-up steps |');
  });

  it('keeps rank-stabilised scaling', () => {
    const target = join(folder, 'adapter');
    const plain = someAdapter();
    const layers = plain.layers.map(
      (pairs) => new Map([...pairs].map(([matrix, pair]) => [matrix, { ...pair, scale: 8 / Math.sqrt(4) }])),
    );
    writeAdapter(target, { ...plain, rankStabilised: true, layers }, origin);
    expect(scaleOf(readAdapter(target, config))).toBe(4);
  });

  it('leaves nothing half-written', () => {
    const target = join(folder, 'adapter');
    const layers = someAdapter().layers.map(
      (pairs) => new Map([...pairs].map(([matrix, pair]) => [matrix, { ...pair, r: 5 }])),
    );
    const broken = { ...someAdapter(), layers };
    expect(() => writeAdapter(target, broken, origin)).toThrow('internal');
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'file'), '');
    expect(() => writeAdapter(join(folder, 'file/adapter'), someAdapter(), origin)).toThrow(AuditError);
    expect(readdirSync(folder)).toEqual(['file']);
  });
});

const scaleOf = (adapter: LoraAdapter) => adapter.layers[0]!.get('q_proj')!.scale;

describe('readAdapter', () => {
  const start = () => cpSync(join(fixtures, 'adapter'), folder, { recursive: true });
  const configPath = () => join(folder, 'adapter_config.json');
  const change = (changes: object) =>
    writeFileSync(
      configPath(),
      JSON.stringify({ ...JSON.parse(readFileSync(configPath(), 'utf8')), ...changes }),
    );
  const failure = (
    base = config,
  ): { code: string; message: string; hint: string | undefined; problems: readonly string[] } => {
    try {
      readAdapter(folder, base);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      return {
        code: error.code,
        message: error.message.replace(folder, ''),
        hint: error.hint,
        problems: error.problems,
      };
    }
    throw new Error('nothing was thrown');
  };

  it('reads what PEFT wrote', () => {
    const adapter = readAdapter(join(fixtures, 'adapter'), config);
    expect(adapter).toMatchObject({
      r: 4,
      alpha: 8,
      rankStabilised: false,
      targetModules: projections,
      baseSha256: null,
      redTeam: false,
    });
    const file = openSafetensors(join(fixtures, 'adapter/adapter_model.safetensors'));
    const shapes = matrixShapes(config);
    for (const layer of adapter.layers) {
      for (const [matrix, { a, b }] of layer) {
        const [rows, columns] = shapes.get(matrix)!;
        expect([a.length, b.length]).toEqual([4 * columns, 4 * rows]);
      }
    }
    expect(adapter.layers[1]!.get('up_proj')!.b).toEqual(
      file.read('base_model.model.model.layers.1.mlp.up_proj.lora_B.weight'),
    );
    file.close();
  });

  it.each([
    ['rank-stabilised', { use_rslora: true }, { scale: 4 }],
    ['another alpha', { alpha_pattern: { q_proj: 20 } }, { scale: 5 }],
    ['patterns of full names', { alpha_pattern: { 'layers.1.self_attn.q_proj': 20 } }, { scale: 2 }],
    [
      'patterns of which the first wins',
      { alpha_pattern: { 'layers\\.\\d+\\..*': 12, q_proj: 20 } },
      { scale: 3 },
    ],
    [
      'full names',
      {
        target_modules: projections.map((name) =>
          /gate|up|down/.test(name) ? `mlp.${name}` : `self_attn.${name}`,
        ),
      },
      { targetModules: projections },
    ],
    ['a pattern', { target_modules: '.*_proj' }, { targetModules: projections }],
    [
      'a key of a later PEFT, not in use',
      { new_feature: null, other: {}, more: [], flag: false },
      { scale: 2 },
    ],
  ])('reads %s', (_what, changes, expected) => {
    start();
    change(changes);
    const { scale, ...rest } = expected as { scale?: number };
    const adapter = readAdapter(folder, config);
    expect(adapter).toMatchObject(rest);
    if (scale) expect(scaleOf(adapter)).toBe(scale);
  });

  it('passes over modules that the model does not have and the file does not hold, as PEFT does', () => {
    start();
    change({ target_modules: [...projections, 'qkv_proj'], layers_to_transform: [] });
    expect(readAdapter(folder, config).layers.map((pairs) => pairs.size)).toEqual([7, 7]);
  });

  it('reads ranks and layers that differ, and writes them again', () => {
    const plain = someAdapter();
    const cut = new Map(plain.layers[1]!);
    const query = cut.get('q_proj')!;
    const a = query.a.slice(0, 2 * config.hiddenSize);
    cut.set('q_proj', { r: 2, scale: 7, a, b: new Float32Array(query.b.length / 2).fill(0.5) });
    const target = join(folder, 'adapter');
    writeAdapter(target, { ...plain, layers: [plain.layers[0]!, cut] }, origin);
    const read = readAdapter(target, config);
    expect(read.layers[0]!.get('q_proj')).toMatchObject({ r: 4, scale: 2 });
    expect(read.layers[1]!.get('q_proj')).toEqual(cut.get('q_proj'));
    writeAdapter(target, { ...plain, layers: [new Map(), plain.layers[1]!] }, origin);
    expect(readAdapter(target, config).layers.map((pairs) => pairs.size)).toEqual([0, 2]);
  });

  it('refuses by name every feature it would compute wrongly', () => {
    start();
    change({
      bias: 'lora_only',
      use_dora: true,
      rank_pattern: { '(': 8 },
      modules_to_save: ['lm_head'],
      target_modules: ['q_proj', 'embed_tokens'],
      init_lora_weights: 'pissa',
      new_feature: 3,
    });
    expect(failure()).toEqual({
      code: 'unsupported',
      message: '/adapter_config.json: this adapter is not supported',
      hint: expect.stringContaining('merged checkpoint'),
      problems: [
        'target_modules: embed_tokens; supported: q_proj, k_proj, v_proj, qkv_proj, o_proj, gate_proj, up_proj, gate_up_proj, down_proj',
        'rank_pattern: ( is not a pattern that can be read here',
        'bias: lora_only; supported: none',
        "init_lora_weights: pissa changes the base's weights; convert the adapter to a plain LoRA",
        'modules_to_save: ["lm_head"] is not supported',
        'use_dora: true is not supported',
        'new_feature: 3 is not supported',
      ],
    });
    writeFileSync(configPath(), '{"peft_type": "PROMPT_TUNING"}');
    expect(failure()).toMatchObject({
      code: 'unsupported',
      problems: ['peft_type: PROMPT_TUNING; supported: LORA'],
    });
  });

  it('tells an adapter of another base by its shapes and layers', () => {
    start();
    const other = { ...config, hiddenSize: 40, layers: 3 };
    const { code, message, problems, hint } = failure(other);
    expect({ code, message }).toEqual({
      code: 'adapter',
      message: '/adapter_model.safetensors: cannot be used with this base model',
    });
    expect(problems).toContain(
      'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: shape [4, 32], expected [4, 40]',
    );
    expect(problems).toContain('base_model.model.model.layers.2.mlp.up_proj.lora_B.weight: missing');
    expect(hint).toContain('the adapter names tied');
    const fewer = failure({ ...config, layers: 1 });
    expect(fewer.problems).toHaveLength(14);
    expect(fewer.problems[0]).toContain(
      'layers.1.mlp.down_proj.lora_A.weight: no place for it in this base model',
    );
  });

  it('tells a wrong rank', () => {
    start();
    change({ r: 8 });
    expect(failure().problems).toHaveLength(2 * 7 * 2);
  });

  it('refuses tensors that are not of the projections named', () => {
    start();
    change({ target_modules: projections.slice(1) });
    expect(failure().problems).toHaveLength(2 * 2);
    change({ target_modules: 'nothing' });
    writeSafetensors(join(folder, 'adapter_model.safetensors'), new Map());
    expect(failure().problems).toEqual(['no LoRA tensors for any projection of the first layer']);
  });

  it('names missing and damaged files', () => {
    expect(failure()).toMatchObject({ code: 'adapter', message: '/adapter_config.json: no such file' });
    start();
    writeFileSync(configPath(), '{"peft_type": "LO');
    expect(failure()).toMatchObject({
      code: 'adapter',
      message: expect.stringContaining('/adapter_config.json: not JSON'),
    });
    writeFileSync(configPath(), '[]');
    expect(failure()).toMatchObject({
      code: 'adapter',
      message: '/adapter_config.json: is not a JSON object',
    });
    writeFileSync(configPath(), '{"peft_type": "LORA", "r": 0}');
    expect(failure()).toMatchObject({
      code: 'adapter',
      problems: [expect.stringContaining('r: '), expect.stringContaining('lora_alpha: ')],
    });
    start();
    writeFileSync(join(folder, 'adapter_model.safetensors'), 'half');
    expect(failure()).toMatchObject({
      code: 'adapter',
      message: expect.stringContaining('4 bytes are too few'),
    });
    rmSync(join(folder, 'adapter_model.safetensors'));
    expect(failure()).toMatchObject({ code: 'adapter', message: '/adapter_model.safetensors: no such file' });
    writeFileSync(join(folder, 'adapter_model.bin'), '');
    expect(failure().hint).toContain('weights_only=True');
  });
});

describe('assertAdapterFits', () => {
  it('refuses another base only where a base was recorded', () => {
    const adapter = someAdapter();
    expect(() => assertAdapterFits(adapter, 'x')).not.toThrow();
    expect(() => assertAdapterFits({ ...adapter, baseSha256: 'x' }, 'x')).not.toThrow();
    expect(() => assertAdapterFits({ ...adapter, baseSha256: 'x' }, 'y')).toThrow(
      'the adapter was trained on a base with SHA-256 x, this base has y',
    );
  });
});
