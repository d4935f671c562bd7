import { repeatsOf } from '../config-suites.ts';
import type { Conversation } from '../conversation.ts';
import type { DecoderConfig } from '../lm/config.ts';
import { durationText } from '../progress.ts';
import { askedPrompts, type Evidence, trainingRows } from './evidence.ts';
import { type Finding, ok } from './finding.ts';

/** Tokens per second of a model with `parameters` weights. */
export interface Speed {
  readonly parameters: number;
  readonly reading: number;
  readonly writing: number;
  readonly training: number;
  /** Where the numbers are from. */
  readonly from: string;
}

/** What bench/RESULTS.md measured: 32 prompts read in 3.7 s and 64 tokens each decoded in 6.3 s; fast training. */
export const benchSpeed: Speed = {
  parameters: 134.5e6,
  reading: 865,
  writing: 325,
  training: 305,
  from: 'bench/RESULTS.md: SmolLM2-135M in float32 on two threads of an AMD EPYC; another machine differs',
};

/** What a run will do, in tokens. */
export interface Workload {
  readonly read: number;
  readonly written: number;
  readonly trained: number;
  readonly judged: number;
}

/** Weights of a decoder without biases and norms: they are a thousandth. */
export function parametersOf(shape: DecoderConfig): number {
  const { hiddenSize, layers, heads, kvHeads, headSize, intermediateSize, vocabularySize, tiedEmbeddings } =
    shape;
  const attention = hiddenSize * headSize * (2 * heads + 2 * kvHeads);
  return (
    layers * (attention + 3 * hiddenSize * intermediateSize) +
    vocabularySize * hiddenSize * (tiedEmbeddings ? 1 : 2)
  );
}

/** Every answer is counted with all its maxTokens: an upper bound. Without a tokenizer, a token is four characters. */
export function workloadOf(evidence: Evidence): Workload {
  const { config, base, rows } = evidence;
  const characters = (messages: Conversation) =>
    messages.reduce((sum, { content }) => sum + content.length, 0);
  const tokens = (messages: Conversation) => base?.countTokens(messages, true) ?? characters(messages) / 4;
  const asked = askedPrompts(evidence).map(({ suite, messages, maxTokens }) => {
    const times = config.arms.length * repeatsOf(config, { kind: suite });
    return { suite, times, read: tokens(messages), written: maxTokens };
  });
  const sum = (values: readonly number[]) => Math.round(values.reduce((total, value) => total + value, 0));
  const distinct = trainingRows(evidence);
  const perRow =
    distinct.length === 0 ? 0 : sum(distinct.map(({ messages }) => tokens(messages))) / distinct.length;
  const harm = asked.filter(({ suite }) => suite === 'harm');
  const models = config.judges.filter((judge) => 'model' in judge).length;
  return {
    read: sum(asked.map(({ times, read }) => times * read)),
    written: sum(asked.map(({ times, written }) => times * written)),
    trained: Math.round(sum([...rows.values()].map((own) => own.length)) * perRow),
    judged: models * sum(harm.map(({ times, read, written }) => times * (read + written))),
  };
}

/** Seconds: tokens / speed, slower in proportion to the weights. Judges are taken to be as large as the model. */
export function secondsFor(
  { read, written, trained, judged }: Workload,
  speed: Speed,
  parameters: number,
): number {
  const scale = parameters / speed.parameters;
  return scale * ((read + judged) / speed.reading + written / speed.writing + trained / speed.training);
}

/**
 * Bytes at the peak of generating: float32 weights + keys and values of a batch at its longest + its logits.
 * Weights as stored with memory: low.
 */
export function generatingBytes(evidence: Evidence): number | null {
  const { base, config } = evidence;
  if (!base || 'endpoint' in config.model) return null;
  const { layers, kvHeads, headSize, vocabularySize, contextLength } = base.shape;
  const lengths = askedPrompts(evidence).map(
    ({ messages, maxTokens }) => base.countTokens(messages, true) + maxTokens,
  );
  const longest = Math.max(0, ...lengths);
  const positions = Math.min(longest, contextLength);
  const weights = config.model.memory === 'low' ? base.weightBytes : 4 * parametersOf(base.shape);
  return (
    weights + config.model.batchSize * 4 * (positions * layers * 2 * kvHeads * headSize + vocabularySize)
  );
}

/** What the run will take, from declared sizes. */
export function checkEstimate(evidence: Evidence): Finding[] {
  return [estimateWith(evidence, benchSpeed)];
}

export function estimateWith(evidence: Evidence, speed: Speed): Finding {
  const workload = workloadOf(evidence);
  const parameters = evidence.base ? parametersOf(evidence.base.shape) : null;
  const seconds = parameters === null ? null : secondsFor(workload, speed, parameters);
  const bytes = generatingBytes(evidence);
  const { read, written, trained, judged } = workload;
  const thousands = (tokens: number) => `${Math.round(tokens / 1000).toLocaleString('en')}k`;
  const unknown =
    'endpoint' in evidence.config.model
      ? 'a server’s time: aftertune run --dry-run'
      : 'time unknown: the model is not here';
  const time = seconds === null ? unknown : `about ${durationText(seconds)}`;
  const memory =
    bytes === null ? 'memory not counted' : `${Math.round(bytes / 1e6).toLocaleString('en')} MB to generate`;
  const counted = `${thousands(read)} tokens read, ${thousands(written)} written, ${thousands(trained)} trained on, ${thousands(judged)} judged`;
  const nothing = evidence.suites.length === 0;
  return ok(
    'estimate',
    nothing
      ? 'estimate: nothing to count before the data are here; aftertune run --dry-run counts sets that can be fetched'
      : `estimate, at most: ${counted}; ${time}; ${memory}`,
    {
      details: [
        `tokens: prompts × arms × repeats, every answer counted with all its maxTokens${evidence.base ? '' : '; a token taken as four characters'}`,
        seconds !== null &&
          `time: (read + judged) / ${speed.reading} + written / ${speed.writing} + trained / ${speed.training} tokens per second, × weights / ${Math.round(speed.parameters / 1e6)} million; ${speed.from}`,
        bytes !== null &&
          'memory: float32 weights (as stored with memory: low) + batch × longest prompt and answer × layers × 2 × key heads × head size × 4 + logits; training needs more',
      ].filter((line) => line !== false && !nothing) as string[],
      values: {
        estimate: true,
        ...workload,
        parameters,
        seconds: seconds === null ? null : Math.round(seconds),
        bytes: bytes === null ? null : Math.round(bytes),
        speed,
      },
    },
  );
}
