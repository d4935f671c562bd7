/** A folder with random bfloat16 weights of a published shape: speed and memory do not depend on what they are. */
import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Qwen2.5-1.5B: 1.54 billion parameters, 3.1 GB. */
const config = {
  architectures: ['Qwen2ForCausalLM'],
  model_type: 'qwen2',
  vocab_size: 151936,
  hidden_size: 1536,
  intermediate_size: 8960,
  num_hidden_layers: 28,
  num_attention_heads: 12,
  num_key_value_heads: 2,
  hidden_act: 'silu',
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  use_sliding_window: false,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
};

/** @param tokenizer a folder whose tokenizer files are copied; some of the embedding's rows stay without a token. */
export async function writeRandomModel(directory, tokenizer) {
  const dist = (name) => new URL(`../../dist/${name}.js`, import.meta.url);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    copyFileSync(join(tokenizer, name), join(directory, name));
  const { readDecoderConfig } = await import(dist('lm/config'));
  const { decoderTensorShapes } = await import(dist('lm/layer-tensors'));
  const shapes = decoderTensorShapes(readDecoderConfig(directory));
  const header = {};
  let at = 0;
  for (const [name, shape] of shapes) {
    const bytes = 2 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'BF16', shape, data_offsets: [at, (at += bytes)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  // Values between ±0.02 and ±0.04, signs and mantissas from a cheap generator.
  const values = new Uint16Array(1 << 22);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = 0x3ca0 | ((state >>> 16) & 0x801f);
  }
  const file = openSync(join(directory, 'model.safetensors'), 'w');
  writeSync(file, length);
  writeSync(file, padded);
  for (let left = at; left > 0; left -= values.byteLength)
    writeSync(file, new Uint8Array(values.buffer, 0, Math.min(left, values.byteLength)));
  closeSync(file);
}
