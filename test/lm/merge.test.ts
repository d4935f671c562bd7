import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/hash.ts';
import { createBatch } from '../../src/lm/batch.ts';
import { openCheckpoint, openSafetensors } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder } from '../../src/lm/decoder.ts';
import { readAdapter } from '../../src/lm/lora.ts';
import { mergeAdapter } from '../../src/lm/merge.ts';
import { encodeSafetensors } from '../../src/lm/safetensors.ts';

const parity = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'merge-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Logits of the parity batch's first row. */
async function logitsOf(directory: string): Promise<Float32Array> {
  const { batch } = JSON.parse(readFileSync(`${parity}numbers.json`, 'utf8'));
  const config = readDecoderConfig(directory);
  const checkpoint = openCheckpoint(directory, config);
  const decoder = await createDecoder(
    config,
    new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)])),
    1,
  );
  const input = createBatch([batch.ids[0].slice(0, batch.lengths[0])]);
  let x = decoder.embed(input.ids);
  for (let layer = 0; layer < config.layers; layer++) x = (await decoder.layer(layer, x, input, null)).y;
  const { logits } = await decoder.distribution(x, 10, true);
  await decoder.close();
  checkpoint.close();
  return logits!;
}

const largestDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);

test('the merged model gives the logits that PEFT gives with the adapter attached', async () => {
  const out = join(folder, 'merged');
  await mergeAdapter(`${parity}tied`, `${parity}adapter`, out);
  const logits = await logitsOf(out);
  const expected = openSafetensors(`${parity}logits.safetensors`).read('adapter').subarray(0, logits.length);
  const untouched = openSafetensors(`${parity}logits.safetensors`).read('tied').subarray(0, logits.length);
  expect(largestDifference(logits, expected)).toBeLessThan(1e-4);
  expect(largestDifference(logits, untouched)).toBeGreaterThan(1);
  for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    expect(readFileSync(join(out, name)), name).toEqual(readFileSync(`${parity}tied/${name}`));
});

test('a sharded BF16 base becomes one BF16 file', async () => {
  const out = join(folder, 'brain');
  await mergeAdapter(`${parity}tied-bf16-sharded`, `${parity}adapter`, out);
  const checkpoint = openCheckpoint(out, readDecoderConfig(out));
  expect(checkpoint.info('model.embed_tokens.weight').dtype).toBe('BF16');
  expect(existsSync(join(out, 'model.safetensors.index.json'))).toBe(false);
  checkpoint.close();
});

/** The fixture's adapter with other entries in its config. */
function adapterWith(name: string, aftertune: object): string {
  const directory = join(folder, name);
  cpSync(`${parity}adapter`, directory, { recursive: true });
  const path = join(directory, 'adapter_config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), aftertune }));
  return directory;
}

test('weights come into memory one by one, and stop coming when that is asked for', async () => {
  const out = join(folder, 'stopped');
  const controller = new AbortController();
  const seen: [number, number][] = [];
  const merging = mergeAdapter(`${parity}tied`, `${parity}adapter`, out, {
    onTensor: (done, total) => {
      seen.push([done, total]);
      if (done === 2) controller.abort();
    },
    signal: controller.signal,
  });
  await expect(merging).rejects.toMatchObject({ code: 'interrupted' });
  expect(seen.map(([done]) => done)).toEqual([0, 1, 2]);
  expect(readdirSync(folder).filter((name) => name.startsWith('stopped'))).toEqual([]);
});

test('every tensor keeps its own format', async () => {
  const base = join(folder, 'mixed-base');
  cpSync(`${parity}tied-bf16-sharded`, base, { recursive: true });
  const checkpoint = openCheckpoint(base, readDecoderConfig(base));
  const wide = 'model.norm.weight';
  const tensors = checkpoint.names.map((name) => {
    const { shape } = checkpoint.info(name);
    const read = () => checkpoint.read(name);
    return [name, { dtype: name === wide ? ('F32' as const) : ('BF16' as const), shape, read }] as const;
  });
  writeFileSync(join(base, 'model.safetensors'), Buffer.concat([...encodeSafetensors(new Map(tensors))]));
  checkpoint.close();
  const out = join(folder, 'mixed');
  const sha256 = await mergeAdapter(base, `${parity}adapter`, out);
  const merged = openSafetensors(join(out, 'model.safetensors'));
  expect([merged.tensors.get(wide)?.dtype, merged.tensors.get('model.embed_tokens.weight')?.dtype]).toEqual([
    'F32',
    'BF16',
  ]);
  expect(sha256).toBe(await sha256File(join(out, 'model.safetensors')));
  merged.close();
});

test('a 4-bit base becomes a plain checkpoint, its weights what they stood for', async () => {
  const base = fileURLToPath(new URL('../fixtures/normal-float/', import.meta.url));
  const out = join(folder, 'widened');
  await mergeAdapter(base, join(base, 'adapter'), out);
  expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).not.toHaveProperty(
    'quantization_config',
  );
  const [before, after] = [base, out].map((path) => openCheckpoint(path, readDecoderConfig(path)));
  const formats = new Set(after!.names.map((name) => after!.info(name).dtype));
  expect([...formats].filter((dtype) => !['F32', 'F16', 'BF16'].includes(dtype))).toEqual([]);
  const weight = 'model.layers.0.self_attn.q_proj.weight';
  const { layers } = readAdapter(join(base, 'adapter'), readDecoderConfig(base));
  const { a, b, r, scale } = layers[0]!.get('q_proj')!;
  const width = a.length / r;
  const wanted = before!.read(weight).map((value, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    for (let rank = 0; rank < r; rank++) value += scale * b[row * r + rank]! * a[rank * width + column]!;
    return value;
  });
  const size = Math.max(...wanted.map(Math.abs));
  expect(largestDifference(after!.read(weight), wanted)).toBeLessThan(size / 128); // BF16 has 8 bits
  expect(largestDifference(before!.read(weight), wanted)).toBeGreaterThan(size / 16);
  for (const checkpoint of [before!, after!]) checkpoint.close();
});

test('a red-team adapter is merged only when that is acknowledged', async () => {
  const adapter = adapterWith('red', { red_team: true });
  const out = join(folder, 'red-merged');
  await expect(mergeAdapter(`${parity}tied`, adapter, out)).rejects.toMatchObject({ code: 'unsupported' });
  expect(existsSync(out)).toBe(false);
  await mergeAdapter(`${parity}tied`, adapter, out, { acknowledgeRedTeam: true });
  expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
});

test('an adapter of other weights is refused, and so is replacing the base, or a GGUF base', async () => {
  await expect(mergeAdapter('base.gguf', `${parity}adapter`, join(folder, 'x'))).rejects.toMatchObject({
    code: 'unsupported',
  });
  const adapter = adapterWith('other', { base_sha256: '0'.repeat(64) });
  await expect(mergeAdapter(`${parity}tied`, adapter, join(folder, 'x'))).rejects.toMatchObject({
    code: 'adapter',
  });
  await expect(mergeAdapter(`${parity}tied`, `${parity}adapter`, `${parity}tied/`)).rejects.toMatchObject({
    code: 'config',
  });
});

test('nothing but an earlier merged model is replaced', async () => {
  const [models, base] = [join(folder, 'models'), join(folder, 'models/base')];
  cpSync(`${parity}tied`, base, { recursive: true });
  const into = (target: string) => mergeAdapter(base, `${parity}adapter`, target);
  await expect(into(models)).rejects.toMatchObject({ code: 'config' });
  const thesis = join(folder, 'thesis');
  mkdirSync(thesis);
  writeFileSync(join(thesis, 'chapter-1.txt'), 'x');
  await expect(into(thesis)).rejects.toMatchObject({
    message: `${thesis}: holds other files than a merged model (chapter-1.txt)`,
  });
  expect(existsSync(join(base, 'model.safetensors')) && existsSync(join(thesis, 'chapter-1.txt'))).toBe(true);
  await into(join(folder, 'twice'));
  await into(join(folder, 'twice'));
});

test('an adapter’s own chat template goes with it', async () => {
  const adapter = adapterWith('templated', {});
  writeFileSync(join(adapter, 'chat_template.jinja'), '{{ messages[0].content }}!');
  const out = join(folder, 'templated-merged');
  await mergeAdapter(`${parity}tied`, adapter, out);
  expect(readFileSync(join(out, 'chat_template.jinja'), 'utf8')).toBe('{{ messages[0].content }}!');
});
