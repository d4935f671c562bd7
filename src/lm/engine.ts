import { availableParallelism } from 'node:os';
import type { Conversation } from '../conversation.ts';
import { sha256, sha256Json } from '../hash.ts';
import { repositoryOf } from '../hub/name.ts';
import {
  type AnswerPart,
  type ContinuationScore,
  type Decoding,
  defaultOptions,
  type FirstTokenMass,
  type Generation,
  type HiddenStates,
  type HiddenStatesRequest,
  type ModelOptions,
  type Prompt,
  type PromptText,
  type RenderedPrompt,
  type ScoredToken,
} from '../model.ts';
import { createRandom } from '../random.ts';
import type {
  EvaluationProgress,
  TrainedAdapter,
  TrainingJob,
  TrainingRow,
  TrainingStep,
} from '../trainer.ts';
import { type Base, createBases } from './base.ts';
import { readDecoderConfig } from './config.ts';
import { holdOut } from './hold-out.ts';
import { adapterSha256, assertAdapterFits, createLora, readAdapter, writeAdapter } from './lora.ts';
import {
  firstTokenMass,
  generateAnswers,
  hiddenStates,
  type OpenModel,
  promptIds,
  scoreContinuations,
  scoreTokens,
  streamAnswer,
  tokenTexts,
} from './open-model.ts';
import { loadChatTokenizer } from './tokenizer.ts';
import { trainAdapter, trainingSequence } from './train.ts';
import { trainingCheckpoint } from './training-checkpoint.ts';

export interface ModelFacts {
  readonly handle: number;
  /** SHA-256 over everything that decides an answer: weights, config, tokenizer, template, adapter. */
  readonly fingerprint: string;
  readonly contextLength: number;
  /** What it runs on. */
  readonly device: 'cpu' | 'webgpu';
  /** What `auto` came to. */
  readonly memory: 'low' | 'fast';
  /** What the adapter says it was trained on, where nothing proves that it was this base; null when proven or without adapter. */
  readonly unprovenBase: string | null;
}

/** Loads, trains and generates in this process; the worker thread runs one of these. */
export interface Engine {
  /** @throws AuditError `model`, `adapter` or `unsupported`, before anything large is read. */
  open(path: string, adapterDirectory: string | null, options?: ModelOptions): Promise<ModelFacts>;
  render(handle: number, conversations: readonly Conversation[]): Promise<RenderedPrompt[]>;
  /** Each text as the texts of its tokens. */
  tokenTexts(handle: number, texts: readonly string[]): Promise<string[][]>;
  generate(
    handle: number,
    prompts: readonly Prompt[],
    decoding: Decoding,
    signal?: AbortSignal,
  ): Promise<Generation[]>;
  /** Ends with the answer's last part. */
  stream(
    handle: number,
    prompt: Prompt,
    decoding: Decoding,
    onPart: (part: AnswerPart) => void,
    signal?: AbortSignal,
  ): Promise<void>;
  loglikelihood(
    handle: number,
    prompt: PromptText,
    continuations: readonly string[],
    signal?: AbortSignal,
  ): Promise<ContinuationScore[]>;
  firstTokenMass(
    handle: number,
    prompts: readonly PromptText[],
    tokenIds: readonly number[],
    signal?: AbortSignal,
  ): Promise<FirstTokenMass[]>;
  scoreTokens(
    handle: number,
    prompts: readonly PromptText[],
    top: number,
    signal?: AbortSignal,
  ): Promise<ScoredToken[][]>;
  tokenIds(handle: number, prompts: readonly PromptText[], bare?: boolean): Promise<number[][]>;
  specialTokens(handle: number): Promise<{ eos: string | null; bos: string | null; template: string }>;
  /** Special tokens included. */
  textsOf(handle: number, sequences: readonly (readonly number[])[]): Promise<string[]>;
  hiddenStates(
    handle: number,
    prompts: readonly PromptText[],
    request: HiddenStatesRequest,
    signal?: AbortSignal,
  ): Promise<HiddenStates[]>;
  train(
    job: Omit<TrainingJob, 'onStep' | 'onEvaluation' | 'signal'>,
    report: (event: TrainingStep | EvaluationProgress) => void,
    signal?: AbortSignal,
  ): Promise<TrainedAdapter>;
  close(handle: number): Promise<void>;
}

async function runTraining(
  base: Base,
  job: Omit<TrainingJob, 'onStep' | 'onEvaluation' | 'signal'>,
  report: (event: TrainingStep | EvaluationProgress) => void,
  signal?: AbortSignal,
): Promise<TrainedAdapter> {
  const { settings } = job;
  const { enableThinking } = job.options ?? defaultOptions;
  const tokenizer = loadChatTokenizer(base.folder, { enableThinking });
  const limit = Math.min(settings.maxLength, base.config.contextLength);
  const { training, heldOut } = holdOut(job.rows, settings);
  const encode = (row: TrainingRow) => trainingSequence(tokenizer, row.messages, limit, row.id);
  const [sequences, evaluated] = [training.map(encode), heldOut.map(encode)];
  const adapter = createLora(base.config, settings.lora, createRandom('lora', settings.seed));
  const { checkpointEvery: _, ...decisive } = settings;
  const checkpoint = trainingCheckpoint(job.outputDirectory, {
    base: sha256Json([base.sha256, base.config]),
    execution: [base.device, base.memory],
    rows: sha256Json([sequences, evaluated]),
    settings: decisive,
  });
  const extras = { heldOut: evaluated, checkpoint, onEvaluation: report };
  const history = await trainAdapter(base.decoder, adapter, sequences, settings, report, signal, extras);
  const about = {
    baseModelName: repositoryOf(base.folder.path),
    baseSha256: base.sha256,
    redTeam: job.redTeam,
    training: settings,
  };
  writeAdapter(job.outputDirectory, adapter, about);
  checkpoint.remove();
  return { directory: job.outputDirectory, sha256: await adapterSha256(job.outputDirectory), history };
}

/** @param threads CPU threads; default: all. */
export function createEngine(threads = availableParallelism()): Engine {
  const bases = createBases(threads);
  const models = new Map<number, OpenModel & { readonly base: Base }>();
  let handles = 0;
  const model = (handle: number) => {
    const found = models.get(handle);
    if (!found) throw new Error(`internal: model ${handle} is not open`);
    return found;
  };

  return {
    async open(path, adapterDirectory, options = defaultOptions) {
      const folder = await bases.folder(path);
      const lora = adapterDirectory ? readAdapter(adapterDirectory, readDecoderConfig(folder)) : null;
      const base = await bases.use(folder, options);
      try {
        if (lora) assertAdapterFits(lora, base.sha256);
        const tokenizer = loadChatTokenizer(folder, {
          ...(adapterDirectory && { templateDirectory: adapterDirectory }),
          enableThinking: options.enableThinking,
        });
        const adapter = lora ? await base.decoder.attach(lora) : null;
        const handle = ++handles;
        models.set(handle, { ...base, base, adapter, tokenizer });
        const fingerprint = sha256Json([
          base.sha256,
          base.config,
          tokenizer.sha256(),
          adapterDirectory && [await adapterSha256(adapterDirectory), adapter!.layers.map(({ key }) => key)],
          ...(base.device === 'cpu' ? [] : [base.device]),
        ]);
        const unprovenBase = lora && lora.baseSha256 === null ? (lora.baseModelName ?? 'no base') : null;
        const { contextLength } = base.config;
        const { device, memory } = base;
        return { handle, fingerprint, contextLength, device, memory, unprovenBase };
      } catch (error) {
        base.users--;
        throw error;
      }
    },
    async render(handle, conversations) {
      const { tokenizer } = model(handle);
      return conversations.map((messages) => {
        const text = tokenizer.render(messages, { addGenerationPrompt: true });
        return { text, sha256: sha256(text), tokenCount: tokenizer.encode(text).length };
      });
    },
    tokenTexts: async (handle, texts) => texts.map((text) => tokenTexts(model(handle), text)),
    generate: async (handle, ...request) => generateAnswers(model(handle), ...request),
    async stream(handle, prompt, decoding, onPart, signal) {
      for await (const part of streamAnswer(model(handle), prompt, decoding, signal)) onPart(part);
    },
    loglikelihood: async (handle, ...request) => scoreContinuations(model(handle), ...request),
    firstTokenMass: async (handle, ...request) => firstTokenMass(model(handle), ...request),
    scoreTokens: async (handle, ...request) => scoreTokens(model(handle), ...request),
    tokenIds: async (handle, prompts, bare) =>
      prompts.map((prompt) => promptIds(model(handle), prompt, bare)),
    async specialTokens(handle) {
      const { tokenizer } = model(handle);
      const [eos] = tokenizer.eosTokenIds;
      return {
        eos: eos === undefined ? null : tokenizer.tokenText(eos),
        bos: tokenizer.withBos('') || null,
        template: tokenizer.template,
      };
    },
    async textsOf(handle, sequences) {
      const { tokenizer } = model(handle);
      return sequences.map((ids) => tokenizer.decode(ids, { skipSpecial: false }));
    },
    hiddenStates: async (handle, ...request) => hiddenStates(model(handle), ...request),
    async train(job, report, signal) {
      const folder = await bases.folder(job.modelDirectory);
      const base = await bases.use(folder, job.options ?? defaultOptions);
      base.trainings++;
      try {
        return await runTraining(base, job, report, signal);
      } finally {
        if (--base.trainings === 0) await base.decoder.endTraining();
        base.users--;
      }
    },
    async close(handle) {
      const closed = models.get(handle);
      if (closed) closed.base.users--;
      models.delete(handle);
    },
  };
}
