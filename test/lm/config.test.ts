import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { families, type LayerKind, llama } from '../../src/lm/architecture.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';

const root = mkdtempSync(join(tmpdir(), 'aftertune-config-'));
afterAll(() => rmSync(root, { recursive: true }));

const supported = Object.keys(families).join(', ');
let folders = 0;
function folderWith(config: unknown, generation?: unknown): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  if (generation !== undefined)
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(generation));
  return folder;
}

const smollm2 = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  hidden_act: 'silu',
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  rope_scaling: null,
  rope_interleaved: false,
  tie_word_embeddings: true,
  attention_bias: false,
  torch_dtype: 'bfloat16',
  bos_token_id: 1,
  eos_token_id: 2,
};

const without = (...keys: string[]) =>
  Object.fromEntries(Object.entries(smollm2).filter(([key]) => !keys.includes(key)));

function failure(directory: string): {
  code: string;
  message: string;
  hint: boolean;
  problems: readonly string[];
} {
  try {
    readDecoderConfig(directory);
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return {
      code: error.code,
      message: error.message.replace(directory, ''),
      hint: error.hint !== undefined,
      problems: error.problems,
    };
  }
  throw new Error('nothing was thrown');
}

describe('readDecoderConfig', () => {
  it('reads the spelling of older transformers', () => {
    expect(readDecoderConfig(folderWith(smollm2))).toEqual({
      hiddenSize: 576,
      layers: 30,
      heads: 9,
      kvHeads: 3,
      headSize: 64,
      intermediateSize: 1536,
      vocabularySize: 49152,
      rmsNormEpsilon: 1e-5,
      ropeTheta: 100000,
      contextLength: 8192,
      tiedEmbeddings: true,
      architecture: llama,
      eosTokenIds: [2],
      bosTokenId: 1,
    });
  });

  it('reads the spelling of newer transformers', () => {
    const newer = {
      ...without('rope_theta', 'rope_scaling', 'torch_dtype'),
      dtype: 'float32',
      head_dim: 32,
      rope_parameters: { rope_theta: 5000.5, rope_type: 'default' },
    };
    expect(readDecoderConfig(folderWith(newer))).toMatchObject({ ropeTheta: 5000.5, headSize: 32 });
  });

  it('reads the scaling of Llama 3 in either spelling, and names what it lacks', () => {
    const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const whole = { ...scaling, original_max_position_embeddings: 8192 };
    const ropeScaling = {
      type: 'llama3',
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContextLength: 8192,
    };
    for (const key of ['rope_scaling', 'rope_parameters'])
      expect(readDecoderConfig(folderWith({ ...smollm2, [key]: whole }))).toMatchObject({ ropeScaling });
    expect(failure(folderWith({ ...smollm2, rope_scaling: scaling })).problems).toEqual([
      expect.stringMatching(/^rope_scaling\.original_max_position_embeddings: /),
    ]);
  });

  it("takes LlamaConfig's defaults, but guesses no token ids", () => {
    const bare = without(
      'num_key_value_heads',
      'rms_norm_eps',
      'rope_theta',
      'max_position_embeddings',
      'tie_word_embeddings',
      'hidden_act',
      'model_type',
      'bos_token_id',
      'eos_token_id',
    );
    expect(readDecoderConfig(folderWith(bare))).toMatchObject({
      kvHeads: 9,
      rmsNormEpsilon: 1e-6,
      ropeTheta: 10000,
      contextLength: 2048,
      tiedEmbeddings: false,
      eosTokenIds: [],
      bosTokenId: null,
    });
  });

  it("prefers generation_config.json's end-of-turn ids", () => {
    expect(readDecoderConfig(folderWith(smollm2, { eos_token_id: [5, 7] })).eosTokenIds).toEqual([5, 7]);
    expect(readDecoderConfig(folderWith(smollm2, { eos_token_id: 9 })).eosTokenIds).toEqual([9]);
    expect(readDecoderConfig(folderWith(smollm2, { temperature: 0.6 })).eosTokenIds).toEqual([2]);
  });

  it('refuses by name everything it would compute wrongly', () => {
    const strange = {
      ...smollm2,
      model_type: 'mistral',
      architectures: ['MistralForCausalLM'],
      rope_scaling: { rope_type: 'dynamic', factor: 8 },
      attention_bias: true,
      mlp_bias: true,
      layer_types: ['full_attention', 'chunked_attention'],
      hidden_act: 'gelu',
      partial_rotary_factor: 0.5,
      quantization_config: { quant_method: 'gptq', bits: 4 },
    };
    expect(failure(folderWith(strange))).toEqual({
      code: 'unsupported',
      message: '/config.json: this model is not supported',
      hint: true,
      problems: [
        'hidden_act: gelu; supported: silu',
        'partial_rotary_factor: 0.5; supported: 1',
        'layer_types: chunked_attention; supported: full_attention, sliding_attention',
        'mlp_bias: true; supported: false',
        'attention_bias: true; supported: false',
        'rope_scaling: rope_type dynamic; supported: default, llama3, linear, longrope',
        'quantization_config: gptq; supported: none, or bitsandbytes nf4 in 4 bits',
      ],
    });
  });

  it.each([
    [
      { ...smollm2, model_type: 'gpt_neox', architectures: ['GPTNeoXForCausalLM'] },
      [`model_type: gpt_neox; supported: ${supported}`],
    ],
    [
      { ...smollm2, architectures: ['LlamaForSequenceClassification'] },
      ['architectures: ["LlamaForSequenceClassification"]; supported: LlamaForCausalLM'],
    ],
    [{ hidden_size: 4 }, [`model_type: none given; supported: ${supported}`]],
    [
      { ...smollm2, rope_scaling: { type: 'dynamic', factor: 2 } },
      ['rope_scaling: rope_type dynamic; supported: default, llama3, linear, longrope'],
    ],
    [
      { ...without('rope_scaling'), rope_parameters: { rope_theta: 1, rope_type: 'yarn' } },
      ['rope_parameters: rope_type yarn; supported: default, llama3, linear, longrope'],
    ],
    [
      { ...without('rope_scaling'), rope_parameters: 7 },
      ['rope_parameters: rope_type 7; supported: default, llama3, linear, longrope'],
    ],
    [
      { ...smollm2, quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } },
      ['quantization_config: bitsandbytes 8-bit; supported: none, or bitsandbytes nf4 in 4 bits'],
    ],
    [
      { ...smollm2, quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } },
      ['quantization_config: bitsandbytes fp4; supported: none, or bitsandbytes nf4 in 4 bits'],
    ],
  ])('refuses another kind of model: case %#', (config, problems) => {
    expect(failure(folderWith(config))).toMatchObject({ code: 'unsupported', problems });
  });

  it('lists every wrong value', () => {
    const wrong = failure(
      folderWith({ ...smollm2, vocab_size: '49152', hidden_size: -1, num_hidden_layers: 2.5 }),
    );
    expect(wrong).toMatchObject({ code: 'model', message: '/config.json: 3 wrong values', hint: true });
    expect(wrong.problems.map((problem) => problem.split(':')[0])).toEqual([
      'vocab_size',
      'hidden_size',
      'num_hidden_layers',
    ]);
  });

  it('sees contradictions', () => {
    const wrong = { ...smollm2, num_attention_heads: 7, eos_token_id: 60000 };
    expect(failure(folderWith(wrong)).problems).toEqual([
      'hidden_size does not divide by num_attention_heads (7), and there is no head_dim',
      'num_attention_heads (7) does not divide by num_key_value_heads (3)',
      'token id 60000 is outside the vocabulary of 49152',
    ]);
    expect(failure(folderWith({ ...smollm2, head_dim: 63 })).problems).toEqual(['head_dim: 63 is odd']);
  });

  it.each([
    ['{"model_type": "lla', '/config.json: not JSON'],
    ['[1]', '/config.json: expected a JSON object'],
    ['', '/config.json: not JSON'],
  ])('names a file that is not a config: %s', (text, message) => {
    expect(failure(folderWith(text))).toMatchObject({
      code: 'model',
      message: expect.stringContaining(message),
    });
  });

  it('names a missing folder and a missing file', () => {
    expect(failure(join(root, 'nowhere'))).toEqual({
      code: 'model',
      message: ': no such model folder',
      hint: true,
      problems: [],
    });
    const empty = join(root, 'empty');
    mkdirSync(empty);
    expect(failure(empty)).toEqual({
      code: 'model',
      message: '/config.json: no such file',
      hint: true,
      problems: [],
    });
  });
});

describe('families, as their makers publish config.json', () => {
  const sizes = {
    ...{ vocab_size: 1000, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 6 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 4096 },
  };
  const read = (config: object) => readDecoderConfig(folderWith({ ...sizes, ...config }));
  const windows = ({ kinds }: { kinds: readonly LayerKind[] }) => kinds.map(({ window }) => window);

  it('Gemma 3, before transformers 5: a pattern, a local base and a scaled global one', () => {
    const scaled = {
      rope_theta: 1e6,
      rope_local_base_freq: 10000,
      rope_scaling: { factor: 8, rope_type: 'linear' },
    };
    const { architecture, ...config } = read({
      ...{ model_type: 'gemma3_text', architectures: ['Gemma3ForCausalLM'], sliding_window: 512 },
      ...{ sliding_window_pattern: 6, query_pre_attn_scalar: 256, head_dim: 32, ...scaled },
    });
    expect(config).toMatchObject({
      ropeTheta: 1e6,
      ropeScaling: { type: 'linear', factor: 8 },
      tiedEmbeddings: true,
    });
    expect(architecture).toMatchObject({ localRopeTheta: 10000, attentionScale: 1 / 16, embeddingScale: 8 });
    expect(windows(architecture)).toEqual([512, 512, 512, 512, 512, null]);
    expect(architecture.kinds.map(({ rope }) => rope).join()).toBe('local,local,local,local,local,global');
  });

  it('Gemma 2: every other layer slides, whatever hidden_act says', () => {
    const { architecture } = read({
      model_type: 'gemma2',
      hidden_act: 'gelu',
      head_dim: 32,
      sliding_window: 4096,
    });
    expect(windows(architecture)).toEqual([4096, null, 4096, null, 4096, null]);
    expect(architecture).toMatchObject({ attentionSoftcap: 50, logitSoftcap: 30, activation: 'gelu_tanh' });
  });

  it('Mistral: a window, or none where it is null', () => {
    expect(windows(read({ model_type: 'mistral' }).architecture)).toEqual(new Array(6).fill(4096));
    expect(read({ model_type: 'mistral', sliding_window: null }).architecture.kinds).toEqual([]);
  });

  it('Qwen2 and Qwen3: a window that is not in use, biases or norms', () => {
    const unused = { use_sliding_window: false, sliding_window: 32768, max_window_layers: 21 };
    const qwen2 = read({ model_type: 'qwen2', ...unused }).architecture;
    expect(qwen2).toMatchObject({ kinds: [], biases: ['q_proj', 'k_proj', 'v_proj'] });
    const qwen3 = read({ model_type: 'qwen3', head_dim: 128, ...unused });
    expect(qwen3).toMatchObject({
      headSize: 128,
      architecture: { kinds: [], biases: [], queryKeyNorm: 'head' },
    });
  });

  it('Gemma 3: a local rotary table that is stretched is refused', () => {
    const parameters = {
      full_attention: { rope_theta: 1e6 },
      sliding_attention: { rope_type: 'linear', factor: 8 },
    };
    const config = { ...sizes, model_type: 'gemma3_text', head_dim: 32, rope_parameters: parameters };
    expect(failure(folderWith(config)).problems).toEqual([
      'rope_parameters.sliding_attention: rope_type linear; supported: default',
    ]);
  });

  it('SmolLM3: every fourth layer is not turned', () => {
    const { kinds } = read({ model_type: 'smollm3' }).architecture;
    expect(kinds.map(({ rope }) => rope).join()).toBe('global,global,global,none,global,global');
  });

  it('Phi-3 with longrope: the factors of short texts, and no more than the context they hold for', () => {
    const factors = Array.from({ length: 8 }, (_, i) => 1 + i / 10);
    const scaling = { type: 'longrope', short_factor: factors, long_factor: factors };
    const config = read({
      model_type: 'phi3',
      original_max_position_embeddings: 1024,
      rope_scaling: scaling,
    });
    const attentionFactor = Math.sqrt(1 + Math.log(4) / Math.log(1024));
    expect(config).toMatchObject({
      contextLength: 1024,
      ropeScaling: { type: 'longrope', factors, attentionFactor },
    });
    const short = { ...scaling, short_factor: [1, 1] };
    expect(failure(folderWith({ ...sizes, model_type: 'phi3', rope_scaling: short })).problems).toEqual([
      'short_factor: 2 factors for heads of size 16',
    ]);
    const su = read({
      model_type: 'phi3',
      max_position_embeddings: 131072,
      rope_scaling: { ...scaling, type: 'su' },
    });
    expect(su).toMatchObject({ contextLength: 4096, ropeScaling: { type: 'longrope' } });
    const partial = folderWith({ ...sizes, model_type: 'phi3', partial_rotary_factor: 0.75 });
    expect(failure(partial).problems).toEqual(['partial_rotary_factor: 0.75; supported: 1']);
  });
});
