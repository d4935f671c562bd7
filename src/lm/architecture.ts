import type { Projection } from '../trainer.ts';

/** What one layer does otherwise than its neighbours. */
export interface LayerKind {
  /** A position sees itself and the window − 1 positions before it; null: all before it. */
  readonly window: number | null;
  /** Which rotary table turns its queries and keys; `none`: they are not turned. */
  readonly rope: 'global' | 'local' | 'none';
}

/** What a family of decoders does otherwise than Llama. Source of each family: transformers' modeling_<family>.py. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** Projections that add a bias vector. */
  readonly biases: readonly Projection[];
  /** One matrix for queries, keys and values, one for gate and up (Phi-3). */
  readonly fused: boolean;
  /** RMS norm of queries and keys before they are turned: of each head, or over all heads together. */
  readonly queryKeyNorm: 'head' | 'width' | null;
  /** Where the RMS norms stand: before attention and MLP, after them, or both. */
  readonly norms: 'before' | 'after' | 'both';
  /** Added to every norm's weight. */
  readonly normOffset: 0 | 1;
  readonly activation: 'silu' | 'gelu_tanh';
  /** Multiplies the embeddings. */
  readonly embeddingScale: number;
  /** Multiplies the attention scores; null: 1/√headSize. */
  readonly attentionScale: number | null;
  /** s ← cap · tanh(s / cap) on attention scores; null: not capped. */
  readonly attentionSoftcap: number | null;
  /** The same on the logits. */
  readonly logitSoftcap: number | null;
  /** One per layer; empty: all see everything and are turned alike. */
  readonly kinds: readonly LayerKind[];
  /** Base of the local rotary table; null where no layer uses one. */
  readonly localRopeTheta: number | null;
}

export const llama: Architecture = {
  modelType: 'llama',
  biases: [],
  fused: false,
  queryKeyNorm: null,
  norms: 'before',
  normOffset: 0,
  activation: 'silu',
  embeddingScale: 1,
  attentionScale: null,
  attentionSoftcap: null,
  logitSoftcap: null,
  kinds: [],
  localRopeTheta: null,
};

type Raw = Readonly<Record<string, unknown>>;

/** One supported `model_type`. */
interface Family {
  readonly className: string;
  /** Values of config.json that transformers assumes where they are left out, as far as the product's own differ. */
  readonly defaults: Raw;
  readonly traits: (raw: Raw) => Partial<Architecture>;
}

const layersOf = (raw: Raw) => Number(raw.num_hidden_layers) || 0;
const numberOr = (value: unknown) => (typeof value === 'number' ? value : null);

/** One kind per layer from `layer_types`, else from a rule; `window` null: no layer slides. */
function kindsOf(raw: Raw, slides: (layer: number) => boolean, localRope = false): LayerKind[] {
  const window = numberOr(raw.sliding_window);
  const types = Array.isArray(raw.layer_types) ? raw.layer_types : null;
  return Array.from({ length: layersOf(raw) }, (_, layer): LayerKind => {
    const sliding = types ? types[layer] === 'sliding_attention' : slides(layer);
    return { window: sliding ? window : null, rope: sliding && localRope ? 'local' : 'global' };
  });
}

/** Qwen: the layers from `max_window_layers` on slide, if any do. */
const qwenKinds = (raw: Raw) =>
  raw.use_sliding_window ? kindsOf(raw, (layer) => layer >= Number(raw.max_window_layers)) : [];

const attentionBias = (raw: Raw): Projection[] =>
  raw.attention_bias ? ['q_proj', 'k_proj', 'v_proj', 'o_proj'] : [];
const mlpBias = (raw: Raw): Projection[] => (raw.mlp_bias ? ['gate_proj', 'up_proj', 'down_proj'] : []);

const gemma = (raw: Raw): Partial<Architecture> => ({
  biases: attentionBias(raw),
  norms: 'both',
  normOffset: 1,
  activation: 'gelu_tanh',
  embeddingScale: Math.sqrt(Number(raw.hidden_size)),
  attentionScale: Number(raw.query_pre_attn_scalar) ** -0.5,
  attentionSoftcap: numberOr(raw.attn_logit_softcapping),
  logitSoftcap: numberOr(raw.final_logit_softcapping),
});

/** SmolLM3: every fourth layer, unless the config says which, does not turn its queries and keys. */
function smollm3Kinds(raw: Raw): LayerKind[] {
  const turned = Array.isArray(raw.no_rope_layers) ? raw.no_rope_layers : null;
  const interval = numberOr(raw.no_rope_layer_interval) ?? 4;
  const isTurned = (layer: number) => (turned ? turned[layer] !== 0 : (layer + 1) % interval !== 0);
  const kinds = raw.use_sliding_window ? kindsOf(raw, (layer) => !isTurned(layer)) : [];
  return Array.from({ length: layersOf(raw) }, (_, layer): LayerKind => {
    const rope = isTurned(layer);
    return { window: kinds[layer]?.window ?? null, rope: rope ? 'global' : 'none' };
  });
}

export const families: Readonly<Record<string, Family>> = {
  llama: {
    className: 'LlamaForCausalLM',
    defaults: {},
    traits: (raw) => ({ biases: [...attentionBias(raw), ...mlpBias(raw)] }),
  },
  smollm3: {
    className: 'SmolLM3ForCausalLM',
    defaults: {
      ...{
        tie_word_embeddings: true,
        rope_theta: 2e6,
        max_position_embeddings: 32768,
        num_key_value_heads: 4,
      },
    },
    traits: (raw) => ({ biases: [...attentionBias(raw), ...mlpBias(raw)], kinds: smollm3Kinds(raw) }),
  },
  mistral: {
    className: 'MistralForCausalLM',
    defaults: { sliding_window: 4096, max_position_embeddings: 131072, num_key_value_heads: 8 },
    traits: (raw) => ({ kinds: kindsOf(raw, () => true) }),
  },
  qwen2: {
    className: 'Qwen2ForCausalLM',
    defaults: { sliding_window: 4096, max_window_layers: 28, max_position_embeddings: 32768 },
    traits: (raw) => ({ biases: ['q_proj', 'k_proj', 'v_proj'], kinds: qwenKinds(raw) }),
  },
  qwen3: {
    className: 'Qwen3ForCausalLM',
    defaults: { head_dim: 128, sliding_window: 4096, max_window_layers: 28, max_position_embeddings: 32768 },
    traits: (raw) => ({ biases: attentionBias(raw), queryKeyNorm: 'head', kinds: qwenKinds(raw) }),
  },
  gemma2: {
    className: 'Gemma2ForCausalLM',
    defaults: {
      ...{ head_dim: 256, tie_word_embeddings: true, query_pre_attn_scalar: 256, sliding_window: 4096 },
      ...{ max_position_embeddings: 8192, num_key_value_heads: 4 },
      ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30, hidden_activation: 'gelu_pytorch_tanh' },
    },
    traits: (raw) => ({ ...gemma(raw), kinds: kindsOf(raw, (layer) => layer % 2 === 0) }),
  },
  gemma3_text: {
    className: 'Gemma3ForCausalLM',
    defaults: {
      ...{ head_dim: 256, tie_word_embeddings: true, query_pre_attn_scalar: 256, sliding_window: 4096 },
      ...{ max_position_embeddings: 131072, num_key_value_heads: 4 },
      ...{ rope_theta: 1e6, sliding_window_pattern: 6, hidden_activation: 'gelu_pytorch_tanh' },
    },
    traits: (raw) => ({
      ...gemma(raw),
      attentionSoftcap: null, // in the config, never passed on
      queryKeyNorm: 'head',
      kinds: kindsOf(raw, (layer) => (layer + 1) % Number(raw.sliding_window_pattern) !== 0, true),
      localRopeTheta: localTheta(raw),
    }),
  },
  phi3: {
    className: 'Phi3ForCausalLM',
    defaults: {
      ...{ rms_norm_eps: 1e-5, max_position_embeddings: 4096, original_max_position_embeddings: 4096 },
    },
    traits: (raw) => ({ fused: true, kinds: kindsOf(raw, () => true) }),
  },
  olmo2: {
    className: 'Olmo2ForCausalLM',
    defaults: { rms_norm_eps: 1e-5 },
    traits: (raw) => ({ biases: attentionBias(raw), queryKeyNorm: 'width', norms: 'after' }),
  },
};

function localTheta(raw: Raw): number {
  const parameters = raw.rope_parameters as Record<string, { rope_theta?: unknown }> | null | undefined;
  return numberOr(parameters?.sliding_attention?.rope_theta) ?? numberOr(raw.rope_local_base_freq) ?? 10_000;
}

/** The traits that config.json of a supported `model_type` describes; `raw` with the family's defaults in place. */
export function architectureOf(modelType: string, raw: Raw): Architecture {
  const traits = { ...llama, modelType, ...families[modelType]!.traits(raw) };
  const plain = traits.kinds.every(({ window, rope }) => window === null && rope === 'global');
  return plain ? { ...traits, kinds: [] } : traits;
}

/** Everything in config.json that would be computed wrongly. */
export function unsupportedTraits(modelType: string, raw: Raw): string[] {
  const problems: string[] = [];
  const refuse = (key: string, supported: string) =>
    problems.push(`${key}: ${show(raw[key])}; supported: ${supported}`);
  const activation = modelType.startsWith('gemma') ? 'gelu_pytorch_tanh' : 'silu';
  // Gemma's first exports name an activation in hidden_act that transformers never used.
  const key = modelType.startsWith('gemma') ? 'hidden_activation' : 'hidden_act';
  if ((raw[key] ?? activation) !== activation) refuse(key, activation);
  for (const name of ['rope_interleaved', 'use_bidirectional_attention'])
    if (raw[name]) refuse(name, 'false');
  const rotary = (raw.rope_parameters as Raw | null | undefined)?.partial_rotary_factor;
  if ((raw.partial_rotary_factor ?? rotary ?? 1) !== 1) {
    problems.push(`partial_rotary_factor: ${show(raw.partial_rotary_factor ?? rotary)}; supported: 1`);
  }
  const types: unknown[] = Array.isArray(raw.layer_types) ? raw.layer_types : [];
  const other = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (other !== undefined)
    problems.push(`layer_types: ${show(other)}; supported: full_attention, sliding_attention`);
  const biased = modelType === 'llama' || modelType === 'smollm3';
  if (raw.mlp_bias && !biased) refuse('mlp_bias', 'false');
  if (raw.attention_bias && (modelType === 'mistral' || modelType === 'phi3'))
    refuse('attention_bias', 'false');
  return problems;
}

const show = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
