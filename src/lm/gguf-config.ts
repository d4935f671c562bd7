import { AuditError } from '../errors.ts';
import type { GgufFile } from './gguf-file.ts';
import { headSize, type Reader, ropeOf } from './gguf-rope.ts';
import type { TensorLayout } from './gguf-tensors.ts';

/**
 * config.json from the metadata of a GGUF file. Source: transformers' `integrations/ggml.py`, and what llama.cpp's
 * converter and its loader of each architecture leave unsaid.
 */

type Json = Record<string, unknown>;

interface Family {
  readonly modelType: string;
  readonly className: string;
  readonly layout: TensorLayout;
  /** What the family's config has beyond the fields that all share. */
  readonly own: (read: Reader) => Json;
}

const plainLayer = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
const normsAfter = {
  post_attention_norm: 'post_attention_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};
const plain: TensorLayout = { layer: plainLayer, interleaved: false, shiftedNorms: false };
const interleaved: TensorLayout = { ...plain, interleaved: true };
const gemmaLayout: TensorLayout = {
  layer: { ...plainLayer, ...normsAfter, ffn_norm: 'pre_feedforward_layernorm' },
  interleaved: false,
  shiftedNorms: true,
};
const phi3Layout: TensorLayout = {
  ...plain,
  layer: { ...plainLayer, attn_qkv: 'self_attn.qkv_proj', ffn_up: 'mlp.gate_up_proj' },
};

const families: Readonly<Record<string, Family>> = {
  llama: {
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    layout: interleaved,
    own: (read) => ({ ...biases(read), rope_parameters: ropeOf(read) }),
  },
  qwen2: {
    modelType: 'qwen2',
    className: 'Qwen2ForCausalLM',
    layout: plain,
    own: (read) => ({ use_sliding_window: false, rope_parameters: ropeOf(read) }),
  },
  qwen3: {
    modelType: 'qwen3',
    className: 'Qwen3ForCausalLM',
    layout: plain,
    own: (read) => ({ use_sliding_window: false, ...biases(read), rope_parameters: ropeOf(read) }),
  },
  gemma2: {
    modelType: 'gemma2',
    className: 'Gemma2ForCausalLM',
    layout: gemmaLayout,
    own: (read) => ({
      ...gemma(read, 46, (layer) => layer % 2 === 0),
      attn_logit_softcapping: read.number('attn_logit_softcapping') ?? 50,
      final_logit_softcapping: read.number('final_logit_softcapping') ?? 30,
      rope_parameters: ropeOf(read),
    }),
  },
  gemma3: {
    modelType: 'gemma3_text',
    className: 'Gemma3ForCausalLM',
    layout: gemmaLayout,
    own: (read) => {
      const every = read.number('attention.sliding_window_pattern') ?? 6;
      return {
        ...gemma(read, 62, (layer) => (layer + 1) % every !== 0),
        attn_logit_softcapping: null,
        final_logit_softcapping: read.number('final_logit_softcapping'),
        rope_parameters: {
          full_attention: ropeOf(read, 1e6),
          sliding_attention: {
            rope_type: 'default',
            rope_theta: read.number('rope.freq_base_swa') ?? 10_000,
          },
        },
      };
    },
  },
  phi3: {
    modelType: 'phi3',
    className: 'Phi3ForCausalLM',
    layout: phi3Layout,
    own: (read) => ({
      sliding_window: read.number('attention.sliding_window') || null,
      original_max_position_embeddings:
        read.number('rope.scaling.original_context_length') ?? read.positive('context_length'),
      rope_parameters: ropeOf(read),
    }),
  },
  olmo2: {
    modelType: 'olmo2',
    className: 'Olmo2ForCausalLM',
    layout: { ...plain, layer: { ...plainLayer, ...normsAfter } },
    own: (read) => {
      if (read.number('attention.sliding_window'))
        throw unsupported(read.file, 'olmo2 with a sliding window (OLMo 3)');
      return { rope_parameters: ropeOf(read) };
    },
  },
  smollm3: {
    modelType: 'smollm3',
    className: 'SmolLM3ForCausalLM',
    layout: interleaved,
    own: (read) => ({
      ...biases(read),
      use_sliding_window: false,
      no_rope_layer_interval: 4,
      no_rope_layers: eachLayer(read, (layer) => ((layer + 1) % 4 === 0 ? 0 : 1)),
      rope_parameters: ropeOf(read, 2e6),
    }),
  },
};

function unsupported(file: GgufFile, what: string): AuditError {
  return new AuditError('unsupported', `${file.path}: general.architecture is ${what}`, {
    hint: `choose a model of one of these: ${Object.keys(families).join(', ')}`,
  });
}

/** How the tensors of a file lie. @throws AuditError `unsupported` naming its architecture. */
export function tensorLayoutOf(file: GgufFile): TensorLayout {
  return familyOf(file).family.layout;
}

function familyOf(file: GgufFile): { family: Family; read: Reader } {
  const { metadata } = file;
  const name = metadata.text('general.architecture') ?? 'not there';
  if (!Object.hasOwn(families, name)) throw unsupported(file, name);
  const reader: Reader = {
    file,
    positive: (key) => metadata.positive(`${name}.${key}`),
    number: (key) => metadata.number(`${name}.${key}`),
    text: (key) => metadata.text(`${name}.${key}`),
  };
  if (reader.number('expert_count')) throw unsupported(file, `${name} with experts (expert_count)`);
  return { family: families[name]!, read: reader };
}

/** @throws AuditError `model` when a key is missing or wrong, `unsupported` naming what is. */
export function ggufConfig(file: GgufFile): Json {
  const { family, read } = familyOf(file);
  const { metadata, tensors } = file;
  const layers = read.positive('block_count');
  if (layers > tensors.size)
    throw new AuditError('model', `${file.path}: ${layers} layers (block_count) in ${tensors.size} tensors`, {
      hint: 'the file may be damaged: fetch it again',
    });
  const embedding = tensors.get('token_embd.weight');
  if (!embedding)
    throw new AuditError('model', `${file.path}: no tensor token_embd.weight`, {
      hint: 'name a file with the weights of a language model, not one of a vocabulary or of an adapter',
    });
  const size = headSize(read);
  const valueSize = read.number('attention.value_length') ?? size;
  if (valueSize !== size)
    throw unsupported(file, `${family.modelType} with values of ${valueSize} per head, keys of ${size}`);
  const turned = (read.number('rope.dimension_count') ?? size) / size;
  return {
    architectures: [family.className],
    model_type: family.modelType,
    vocab_size: embedding.shape[0],
    hidden_size: read.positive('embedding_length'),
    intermediate_size: read.positive('feed_forward_length'),
    num_hidden_layers: layers,
    ...headCounts(read),
    head_dim: size,
    rms_norm_eps: read.positive('attention.layer_norm_rms_epsilon'),
    max_position_embeddings: read.positive('context_length'),
    tie_word_embeddings: !tensors.has('output.weight'),
    bos_token_id: metadata.number('tokenizer.ggml.bos_token_id'),
    eos_token_id: metadata.number('tokenizer.ggml.eos_token_id'),
    pad_token_id: metadata.number('tokenizer.ggml.padding_token_id'),
    [family.modelType.startsWith('gemma') ? 'hidden_activation' : 'hidden_act']: family.modelType.startsWith(
      'gemma',
    )
      ? 'gelu_pytorch_tanh'
      : 'silu',
    ...(turned === 1 ? {} : { partial_rotary_factor: turned }),
    ...family.own(read),
  };
}

function headCounts(read: Reader) {
  const heads = read.positive('attention.head_count');
  return {
    num_attention_heads: heads,
    num_key_value_heads: read.number('attention.head_count_kv') ?? heads,
  };
}

/** For the rows of queries and keys. */
export function ggufHeads(file: GgufFile): { heads: number; kvHeads: number } {
  const counts = headCounts(familyOf(file).read);
  return { heads: counts.num_attention_heads, kvHeads: counts.num_key_value_heads };
}

const eachLayer = <T>(read: Reader, value: (layer: number) => T): T[] =>
  Array.from({ length: read.positive('block_count') }, (_, layer) => value(layer));

const biases = ({ file }: Reader) => ({
  attention_bias: file.tensors.has('blk.0.attn_q.bias'),
  mlp_bias: file.tensors.has('blk.0.ffn_up.bias'),
});

/** @param largest layers of the one model whose attention scale is that of hidden size over heads, as in llama.cpp. */
function gemma(read: Reader, largest: number, slides: (layer: number) => boolean): Json {
  const scale = read.number('attention.scale');
  const perHead = read.positive('embedding_length') / read.positive('attention.head_count');
  const usual = read.positive('block_count') === largest ? perHead : headSize(read);
  return {
    query_pre_attn_scalar: scale ? 1 / scale ** 2 : usual,
    sliding_window: read.positive('attention.sliding_window'),
    layer_types: eachLayer(read, (layer) => (slides(layer) ? 'sliding_attention' : 'full_attention')),
  };
}
