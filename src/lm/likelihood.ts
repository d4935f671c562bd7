import { throwIfAborted } from '../errors.ts';
import type { FirstTokenMass } from '../model.ts';
import type { Decoder } from './decoder.ts';
import { assertFinite } from './generate.ts';
import { prefill, type ReadSettings, type Runner } from './prefill.ts';

/** Probabilities of given tokens, without generating any. */

/** Token ids whose last ones, from `start` on, are scored given all before them. */
export interface Scored {
  readonly ids: readonly number[];
  /** At least 1: the first token of all has nothing before it. */
  readonly start: number;
}

export interface TokenLikelihoods {
  /** ln p of the tokens from `start` on. */
  readonly logProbabilities: number[];
  /** Whether each of them is the likeliest at its place. */
  readonly greedy: boolean;
}

export interface LikelyToken {
  readonly id: number;
  readonly logProbability: number;
}

/** So many positions' logits at a time: memory is this × vocabulary. */
const rowsTogether = 64;

/** Calls `use` with the logits of each row of states [R, d] in turn, and with its likeliest token and that one's ln p. */
async function eachDistribution(
  decoder: Decoder,
  states: readonly Float32Array[],
  use: (
    row: number,
    logits: Float32Array,
    best: number,
    bestLogProbability: number,
    top: () => LikelyToken[],
  ) => void,
  most = 1,
): Promise<void> {
  const { hiddenSize: width, vocabularySize: vocabulary } = decoder.config;
  for (let from = 0; from < states.length; from += rowsTogether) {
    const part = states.slice(from, from + rowsTogether);
    const rows = new Float32Array(part.length * width);
    for (const [r, state] of part.entries()) rows.set(state, r * width);
    const { logProbabilities, tokens, logits } = await decoder.distribution(rows, most, true);
    const k = tokens.length / part.length;
    for (const r of part.keys()) {
      assertFinite(logProbabilities[r * k]!);
      const top = () =>
        Array.from({ length: k }, (_, i) => ({
          id: Number(tokens[r * k + i]),
          logProbability: logProbabilities[r * k + i]!,
        }));
      const own = logits!.subarray(r * vocabulary, (r + 1) * vocabulary);
      use(from + r, own, Number(tokens[r * k]), logProbabilities[r * k]!, top);
    }
  }
}

/** What the sequences begin with alike, as the continuations of one prompt do, is computed once. */
export async function tokenLikelihoods(
  runner: Runner,
  sequences: readonly Scored[],
  settings: ReadSettings = {},
  signal?: AbortSignal,
): Promise<TokenLikelihoods[]> {
  throwIfAborted(signal);
  const { hiddenSize: width } = runner.decoder.config;
  const inputs = sequences.map(({ ids }) => ids.slice(0, -1));
  const keep = sequences.map(({ ids, start }) => ids.length - start);
  const { states } = await prefill(runner, inputs, settings, { keep });
  const places = keep.flatMap((count, row) => Array.from({ length: count }, (_, at) => ({ row, at })));
  const found = sequences.map(() => ({ logProbabilities: [] as number[], greedy: true }));
  await eachDistribution(
    runner.decoder,
    places.map(({ row, at }) => states[row]!.subarray(at * width, (at + 1) * width)),
    (place, logits, best, bestLogProbability) => {
      const { row, at } = places[place]!;
      const target = sequences[row]!.ids[sequences[row]!.start + at]!;
      found[row]!.logProbabilities.push(bestLogProbability + logits[target]! - logits[best]!);
      found[row]!.greedy &&= target === best;
    },
  );
  return found;
}

/** Sequences as one pass reads them. */
const sequencesTogether = 16;

/** A given token among all that could stand in its place. */
export interface PlacedToken {
  readonly logProbability: number;
  /** From 1: how many are at least as likely, as vLLM counts it. */
  readonly rank: number;
  /** Descending. */
  readonly top: readonly LikelyToken[];
}

/** Of every sequence's tokens from the second on: ln p given all before it, its rank, and the `top` likeliest. */
export async function tokenDistributions(
  runner: Runner,
  sequences: readonly (readonly number[])[],
  top: number,
  signal?: AbortSignal,
): Promise<PlacedToken[][]> {
  const { hiddenSize: width, vocabularySize } = runner.decoder.config;
  const found = sequences.map(() => [] as PlacedToken[]);
  const long = [...sequences.keys()].filter((row) => sequences[row]!.length > 1);
  for (let from = 0; from < long.length; from += sequencesTogether) {
    throwIfAborted(signal);
    const part = long.slice(from, from + sequencesTogether);
    const inputs = part.map((row) => sequences[row]!.slice(0, -1));
    const { states } = await prefill(runner, inputs, {}, { keep: inputs.map(({ length }) => length) });
    const places = part.flatMap((row) => sequences[row]!.slice(1).map((target) => ({ row, target })));
    await eachDistribution(
      runner.decoder,
      states.flatMap((rows) =>
        Array.from({ length: rows.length / width }, (_, at) => rows.subarray(at * width, (at + 1) * width)),
      ),
      (place, logits, best, bestLogProbability, likeliest) => {
        const { row, target } = places[place]!;
        const own = logits[target]!;
        let rank = 0;
        for (const logit of logits) if (logit >= own) rank++;
        const logProbability = bestLogProbability + own - logits[best]!;
        found[row]!.push({ logProbability, rank, top: likeliest().slice(0, top) });
      },
      Math.min(Math.max(1, top), vocabularySize),
    );
  }
  return found;
}

/** Of every prompt: the probability that its next token is one of `tokenIds`. */
export async function firstTokenMasses(
  runner: Runner,
  prompts: readonly (readonly number[])[],
  tokenIds: readonly number[],
  signal?: AbortSignal,
): Promise<FirstTokenMass[]> {
  throwIfAborted(signal);
  const chosen = new Set(tokenIds);
  const { states } = await prefill(runner, prompts, {});
  const masses: FirstTokenMass[] = [];
  await eachDistribution(runner.decoder, states, (_, logits, best) => {
    let [inside, outside] = [0, 0];
    for (const [id, logit] of logits.entries()) {
      const weight = Math.exp(logit - logits[best]!);
      if (chosen.has(id)) inside += weight;
      else outside += weight;
    }
    masses.push({
      probability: inside / (inside + outside),
      logOdds: Math.log(inside) - Math.log(outside),
    });
  });
  return masses;
}

/** Of every prompt: the states at a layer of its last or of all its tokens, [keep, d]; `layer` as transformers counts. */
export async function hiddenStatesAt(
  runner: Runner,
  prompts: readonly (readonly number[])[],
  layer: number,
  positions: 'last' | 'all',
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  throwIfAborted(signal);
  const keep = prompts.map((ids) => (positions === 'last' ? 1 : ids.length));
  const { states } = await prefill(runner, prompts, {}, { keep, layers: layer });
  if (layer < runner.decoder.config.layers) return states;
  return Promise.all(states.map((rows) => runner.decoder.finalNorm(rows)));
}
