import { type Projection, projections } from '../trainer.ts';
import type { DecoderConfig } from './config.ts';

/** A matrix of a layer: one of the seven projections, or two of Phi-3's that hold several of them. */
export type Matrix = Projection | 'qkv_proj' | 'gate_up_proj';

/** A weight of a layer: what a graph calls it, and its Hugging Face name below `model.layers.<n>.`. */
export interface LayerTensor {
  readonly input: string;
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: 'matrix' | 'norm' | 'bias';
}

const attention: ReadonlySet<string> = new Set([
  ...['q_proj', 'k_proj', 'v_proj', 'o_proj', 'qkv_proj'],
  ...['q_norm', 'k_norm'],
]);

/** The block of a layer that holds a module: `self_attn`, `mlp`, or none for the layer's norms. */
function blockOf(module: string): string {
  if (attention.has(module)) return 'self_attn.';
  return module.endsWith('_proj') ? 'mlp.' : '';
}

/** The Hugging Face name of a layer's input, such as `q_proj.weight`. */
export const weightName = (layer: number, input: string): string =>
  `model.layers.${layer}.${blockOf(input.split('.')[0]!)}${input}`;

/** What a graph calls the factors of an adapter. */
export const loraInput = (matrix: Matrix, factor: 'a' | 'b'): string => `${matrix}.${factor}`;

/** Both factors of every matrix, in order. */
export const loraInputs = (matrices: Iterable<Matrix>): string[] =>
  [...matrices].flatMap((matrix) => [loraInput(matrix, 'a'), loraInput(matrix, 'b')]);

/** What a graph calls the mask of an adapter's input. */
export const dropoutInput = (matrix: Matrix): string => `${matrix}.dropout`;

/** The matrices of a layer, in the order of computation, each [out, in]. */
export function matrixShapes(config: DecoderConfig): ReadonlyMap<Matrix, readonly [number, number]> {
  const { hiddenSize: hidden, intermediateSize: inner, headSize } = config;
  const queries = config.heads * headSize;
  const keys = config.kvHeads * headSize;
  const output: [Matrix, [number, number]] = ['o_proj', [hidden, queries]];
  const down: [Matrix, [number, number]] = ['down_proj', [hidden, inner]];
  if (config.architecture.fused) {
    return new Map([
      ['qkv_proj', [queries + 2 * keys, hidden]],
      output,
      ['gate_up_proj', [2 * inner, hidden]],
      down,
    ]);
  }
  return new Map([
    ['q_proj', [queries, hidden]],
    ['k_proj', [keys, hidden]],
    ['v_proj', [keys, hidden]],
    output,
    ['gate_proj', [inner, hidden]],
    ['up_proj', [inner, hidden]],
    down,
  ]);
}

const fusedOf: Readonly<Partial<Record<Projection, Matrix>>> = {
  q_proj: 'qkv_proj',
  k_proj: 'qkv_proj',
  v_proj: 'qkv_proj',
  gate_proj: 'gate_up_proj',
  up_proj: 'gate_up_proj',
};

/** The matrices that hold these projections in this model, in the order of computation. */
export function matricesOf(config: DecoderConfig, modules: readonly Projection[]): Matrix[] {
  const named = new Set<Matrix>(
    projections
      .filter((projection) => modules.includes(projection))
      .map((projection) => (config.architecture.fused ? fusedOf[projection] : undefined) ?? projection),
  );
  return [...matrixShapes(config).keys()].filter((matrix) => named.has(matrix));
}

const normNames = {
  before: ['input_layernorm', 'post_attention_layernorm'],
  after: ['post_attention_layernorm', 'post_feedforward_layernorm'],
  both: [
    ...['input_layernorm', 'post_attention_layernorm'],
    ...['pre_feedforward_layernorm', 'post_feedforward_layernorm'],
  ],
} as const;

/** Every weight of one layer. */
export function layerTensors(config: DecoderConfig): LayerTensor[] {
  const { norms, queryKeyNorm, biases } = config.architecture;
  const shapes = matrixShapes(config);
  const tensor = (module: string, part: 'weight' | 'bias', shape: readonly number[]): LayerTensor => {
    const kind = part === 'bias' ? 'bias' : module.endsWith('_proj') ? 'matrix' : 'norm';
    return { input: `${module}.${part}`, name: `${blockOf(module)}${module}.${part}`, shape, kind };
  };
  const width = (heads: number) => [queryKeyNorm === 'head' ? config.headSize : heads * config.headSize];
  return [
    ...normNames[norms].map((name) => tensor(name, 'weight', [config.hiddenSize])),
    ...(queryKeyNorm
      ? [tensor('q_norm', 'weight', width(config.heads)), tensor('k_norm', 'weight', width(config.kvHeads))]
      : []),
    ...[...shapes].map(([matrix, shape]) => tensor(matrix, 'weight', shape)),
    ...biases.map((projection) => tensor(projection, 'bias', [shapes.get(projection)![0]])),
  ];
}

/** Every tensor a decoder of this shape needs, by its Hugging Face name; linear weights are [out, in]. */
export function decoderTensorShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize: hidden, vocabularySize: vocabulary } = config;
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocabulary, hidden]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const { name, shape } of layerTensors(config)) shapes.set(`model.layers.${layer}.${name}`, shape);
  }
  shapes.set('model.norm.weight', [hidden]);
  if (!config.tiedEmbeddings) shapes.set('lm_head.weight', [vocabulary, hidden]);
  return shapes;
}
