import { gradients } from '../onnx/gradient.ts';
import { createGraph, input, type Value } from '../onnx/graph.ts';
import { crossEntropy, gatherRows } from '../onnx/ops.ts';
import type { LayerKind } from './architecture.ts';
import type { Formats, LoraShape } from './attention-graph.ts';
import type { DecoderConfig } from './config.ts';
import { flatTokens, gradientOf, layer, logits, type NamedGraph } from './decoder-graph.ts';
import { matrixShapes } from './layer-tensors.ts';

/** One layer of a whole graph. */
export interface WholeLayer {
  readonly formats: Formats;
  readonly lora: LoraShape | null;
  readonly kind: LayerKind;
}

/** Before the names of a layer's own inputs, here and in gradients by parameter. */
export const wholePrefix = (index: number): string => `${index}/`;
/** Names what layers of one kind share. */
export const kindSuffix = ({ window, rope }: LayerKind): string => `.${window ?? 'all'}.${rope}`;

/**
 * Loss and gradients of all layers in one graph: nothing is recomputed and nothing is handed from session to session,
 * so every activation of the forward pass is in memory at once. Inputs x [T, d], rows [R], targets and weights [R, 1],
 * and every layer's own behind its prefix; outputs loss and the gradient of each of `trained`, layer by layer.
 */
export function wholeGraph(
  config: DecoderConfig,
  layers: readonly WholeLayer[],
  trained: readonly string[],
  headFormat: string,
): NamedGraph {
  const graph = createGraph();
  let x: Value = input(graph, 'x', flatTokens(config));
  for (const [index, { formats, lora, kind }] of layers.entries()) {
    const names = { prefix: wholePrefix(index), kind: kindSuffix(kind) };
    const inputs = {
      config,
      graph,
      lora,
      formats,
      ...names,
      products: new Map(),
      blocks: false,
      fewRows: false,
    };
    x = layer(inputs, x, false).output;
  }
  const labelled = gatherRows(graph, x, input(graph, 'rows', ['R'], 'int64'));
  const scores = logits(config, graph, labelled, headFormat, { blocks: false, fewRows: false });
  const weights = input(graph, 'weights', ['R', 1]);
  const loss = crossEntropy(graph, scores, input(graph, 'targets', ['R', 1], 'int64'), weights);
  const names = layers.flatMap((_, index) => trained.map((name) => wholePrefix(index) + name));
  const targets = names.map((name) => graph.inputs.get(name)!);
  const slopes = gradients(graph, loss, input(graph, 'dloss', [1, 1]), targets);
  const outputs = new Map<string, Value>([['loss', loss]]);
  for (const [index, name] of names.entries()) outputs.set(gradientOf(name), slopes.get(targets[index]!)!);
  return { graph, outputs };
}

/**
 * Bytes that the activations of a whole graph take, about: what is alive between the two passes, per token and layer
 * (residual and normed states, heads before and after turning, scores and probabilities, the MLP's products; with
 * dropout a mask and a masked copy of every matrix's input).
 */
export function wholeGraphBytes(
  config: DecoderConfig,
  { rows, length, labelled, masks }: { rows: number; length: number; labelled: number; masks: boolean },
): number {
  const { hiddenSize, heads, kvHeads, headSize, intermediateSize, layers, vocabularySize } = config;
  const inputs = [...matrixShapes(config).values()].reduce((sum, [, columns]) => sum + columns, 0);
  const perToken =
    8 * hiddenSize +
    4 * (heads + 2 * kvHeads) * headSize +
    3 * heads * length +
    5 * intermediateSize +
    (masks ? 2 * inputs : 0);
  return 4 * (layers * rows * length * perToken + 3 * labelled * vocabularySize);
}
