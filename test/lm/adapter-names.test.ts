import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { plainName } from '../../src/lm/adapter-names.ts';
import { matchBase } from '../../src/lm/base-name.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { weightName } from '../../src/lm/layer-tensors.ts';
import { readAdapter, type StoredAdapter } from '../../src/lm/lora.ts';
import { openSafetensors, writeSafetensors } from '../../src/lm/safetensors.ts';

/** Adapter folders of other trainers' layout, written by PEFT: scripts/parity/adapter_layouts.py. */
const fixtures = join(packageRoot, 'test/fixtures/adapters');
const shape = readDecoderConfig(join(packageRoot, 'test/fixtures/parity/tied'));
const json = <T>(name: string) => JSON.parse(readFileSync(join(fixtures, name), 'utf8')) as T;
type Updates = Record<string, { norm: number; first: number }>;

/** What the adapter adds to each module that it changes. */
function updatesOf({ layers }: StoredAdapter): Updates {
  const found: Updates = {};
  for (const [layer, pairs] of layers.entries())
    for (const [matrix, { r, scale, a, b }] of pairs) {
      const columns = a.length / r;
      const values = Array.from({ length: (b.length / r) * columns }, (_, at) => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        let sum = 0;
        for (let i = 0; i < r; i++) sum += b[row * r + i]! * a[i * columns + column]!;
        return scale * sum;
      });
      found[weightName(layer, matrix)] = { norm: Math.hypot(...values), first: values[0]! };
    }
  return found;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adapter-names-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const errorOf = (directory: string) => {
  try {
    readAdapter(directory, shape);
  } catch (error) {
    return error as { code: string; message: string; hint: string; problems: string[] };
  }
  throw new Error('nothing was thrown');
};

describe('adapters that PEFT wrote', () => {
  it.each(Object.entries(json<Record<string, Updates>>('expected.json')))(
    '%s changes the modules that PEFT changes, by as much',
    (name, expected) => {
      const adapter = readAdapter(join(fixtures, name), shape);
      const updates = updatesOf(adapter);
      expect(Object.keys(updates).sort()).toEqual(Object.keys(expected).sort());
      for (const [module, { norm, first }] of Object.entries(expected)) {
        expect(updates[module]!.norm).toBeCloseTo(norm, 5);
        expect(updates[module]!.first).toBeCloseTo(first, 6);
      }
      expect(adapter.baseModelName).toBe('unsloth/tiny-llama-bnb-4bit');
    },
  );

  it.each(Object.entries(json<Record<string, object>>('refused.json')))(
    '%s is refused by name',
    (name, config) => {
      cpSync(join(fixtures, 'layers'), folder, { recursive: true });
      writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
      const error = errorOf(folder);
      expect(error.code).toBe('unsupported');
      expect(error.problems.some((problem) => problem.startsWith(`${name}:`))).toBe(true);
    },
  );

  it('an exclusion that is no pattern is refused', () => {
    cpSync(join(fixtures, 'layers'), folder, { recursive: true });
    const path = join(folder, 'adapter_config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...config, exclude_modules: '(' }));
    expect(errorOf(folder).problems).toEqual([
      expect.stringMatching(/^exclude_modules: \( is not a pattern/),
    ]);
  });
});

describe('other layouts', () => {
  it('tells torchtune’s names', () => {
    const error = errorOf(join(fixtures, 'torchtune'));
    expect(error.message).toContain('torchtune’s names, such as layers.1.attn.q_proj.lora_a.weight');
  });

  /** The fixture's tensors under other names. */
  const rename = (change: (name: string) => string[]) => {
    cpSync(join(fixtures, 'layers'), folder, { recursive: true });
    const path = join(folder, 'adapter_model.safetensors');
    const file = openSafetensors(path);
    const renamed = [...file.tensors].flatMap(([name, { shape }]) =>
      change(name).map((other) => [other, { shape, data: file.read(name) }] as const),
    );
    file.close();
    writeSafetensors(path, new Map(renamed));
  };

  it('tells more than one adapter in a file', () => {
    rename((name) => ['default', 'other'].map((own) => name.replace(/\.weight$/, `.${own}.weight`)));
    expect(errorOf(folder)).toMatchObject({ message: expect.stringMatching(/more than one adapter/) });
  });

  it('tells a whole model’s state', () => {
    rename((name) => [name, name.replace(/lora_A/, 'base_layer')]);
    expect(errorOf(folder)).toMatchObject({ message: expect.stringMatching(/holds weights of the base/) });
  });

  it.each([
    ['adapter_model.bin', /weights_only=True/],
    ['adapter_0.pt', /torchtune’s own form/],
    ['checkpoint-500/x', /such as checkpoint-500/],
    ['README.md', /half-downloaded/],
  ])('says what to do with a folder that has %s alone', (name, hint) => {
    const path = join(folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
    if (name === 'adapter_0.pt' || name.startsWith('checkpoint')) expect(errorOf(folder).hint).toMatch(hint);
    cpSync(join(fixtures, 'layers/adapter_config.json'), join(folder, 'adapter_config.json'));
    expect(errorOf(folder).hint).toMatch(hint);
  });
});

test.each([
  ['base_model.model.model.layers.0.mlp.up_proj.lora_A.weight'],
  ['base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight'],
  ['module.base_model.model.model.layers.0.mlp.up_proj.lora_A.weight'],
  ['base_model.model._orig_mod.model.layers.0._checkpoint_wrapped_module.mlp.up_proj.lora_A.my-own.weight'],
])('%s is one module’s', (name) =>
  expect(plainName(name)).toBe('base_model.model.model.layers.0.mlp.up_proj.lora_A.weight'),
);

test.each([
  ['meta-llama/Llama-3.2-1B-Instruct', '/models/Llama-3.2-1B-Instruct', 'same'],
  ['C:\\models\\Llama-3.2-1B-Instruct\\', 'hf:meta-llama/Llama-3.2-1B-Instruct', 'same'],
  ['unsloth/llama-3.2-1b-instruct-bnb-4bit', 'hf:meta-llama/Llama-3.2-1B-Instruct', 'quantised'],
  ['unsloth/Llama-3.2-1B-Instruct-unsloth-bnb-4bit', '/models/Llama-3.2-1B-Instruct', 'quantised'],
  ['unsloth/llama-3.2-3b-bnb-4bit', '/models/Llama-3.2-1B', 'other'],
])('%s on %s: %s', (named, used, match) => expect(matchBase(named, used)).toBe(match));
