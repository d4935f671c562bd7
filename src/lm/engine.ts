import { readdirSync, realpathSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Conversation } from '../conversation.ts';
import { sha256, sha256Json } from '../hash.ts';
import { repositoryOf } from '../hub/name.ts';
import type {
  AnswerPart,
  ContinuationScore,
  Decoding,
  FirstTokenMass,
  Generation,
  HiddenStates,
  HiddenStatesRequest,
  Prompt,
  PromptText,
  RenderedPrompt,
} from '../model.ts';
import { createRandom } from '../random.ts';
import type { TrainedAdapter, TrainingJob, TrainingRow, TrainingStep } from '../trainer.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { type DecoderConfig, readDecoderConfig } from './config.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { holdOut } from './evaluation.ts';
import { adapterSha256, assertAdapterFits, createLora, readAdapter, writeAdapter } from './lora.ts';
import {
  firstTokenMass,
  generateAnswers,
  hiddenStates,
  type OpenModel,
  scoreContinuations,
  streamAnswer,
} from './open-model.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { loadChatTokenizer } from './tokenizer.ts';
import { trainAdapter, trainingSequence } from './train.ts';
import { trainingCheckpoint } from './training-checkpoint.ts';

/** A base model in memory, shared by all its adapters. */
interface Base {
  readonly directory: string;
  readonly config: DecoderConfig;
  readonly decoder: Decoder;
  /** SHA-256 over the weight files. */
  readonly sha256: string;
  readonly scheduler: Scheduler;
  /** Open models and running trainings. */
  users: number;
}

export interface ModelFacts {
  readonly handle: number;
  /** SHA-256 over everything that decides an answer: weights, config, tokenizer, template, adapter. */
  readonly fingerprint: string;
  readonly contextLength: number;
  /** What the adapter says it was trained on, where nothing proves that it was this base; null when proven or without adapter. */
  readonly unprovenBase: string | null;
}

/** Loads, trains and generates in this process; the worker thread runs one of these. */
export interface Engine {
  /** @throws AuditError `model`, `adapter` or `unsupported`, before anything large is read. */
  open(directory: string, adapterDirectory: string | null): Promise<ModelFacts>;
  render(handle: number, conversations: readonly Conversation[]): Promise<RenderedPrompt[]>;
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
  hiddenStates(
    handle: number,
    prompts: readonly PromptText[],
    request: HiddenStatesRequest,
    signal?: AbortSignal,
  ): Promise<HiddenStates[]>;
  train(
    job: Omit<TrainingJob, 'onStep' | 'signal'>,
    onStep: (step: TrainingStep) => void,
    signal?: AbortSignal,
  ): Promise<TrainedAdapter>;
  close(handle: number): Promise<void>;
}

async function readWeights(checkpoint: Checkpoint): Promise<ReadonlyMap<string, Float32Array>> {
  return new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)]));
}

async function openBase(directory: string, threads: number): Promise<Base> {
  const config = readDecoderConfig(directory);
  loadChatTokenizer(directory, { vocabularySize: config.vocabularySize });
  const checkpoint = openCheckpoint(directory, config);
  try {
    const decoder = await createDecoder(config, await readWeights(checkpoint), threads);
    const scheduler = createScheduler(decoder);
    return { directory, config, decoder, scheduler, sha256: await checkpoint.sha256(), users: 0 };
  } finally {
    checkpoint.close();
  }
}

/** Tells a folder's content apart from what it held before, without reading it. */
function stateOf(directory: string): string {
  try {
    const path = realpathSync(directory);
    const files = readdirSync(path)
      .filter((name) => name.endsWith('.safetensors') || name === 'config.json')
      .map((name) => statSync(join(path, name)));
    return JSON.stringify([path, files.map(({ ino, size, mtimeMs }) => [ino, size, mtimeMs])]);
  } catch {
    return directory; // readDecoderConfig names a missing folder, with the way out
  }
}

async function runTraining(
  base: Base,
  job: Omit<TrainingJob, 'onStep' | 'signal'>,
  onStep: (step: TrainingStep) => void,
  signal?: AbortSignal,
): Promise<TrainedAdapter> {
  const { settings } = job;
  const tokenizer = loadChatTokenizer(base.directory);
  const limit = Math.min(settings.maxLength, base.config.contextLength);
  const { training, heldOut } = holdOut(job.rows, settings);
  const encode = (row: TrainingRow) => trainingSequence(tokenizer, row.messages, limit, row.id);
  const [sequences, evaluated] = [training.map(encode), heldOut.map(encode)];
  const adapter = createLora(base.config, settings.lora, createRandom('lora', settings.seed));
  const { checkpointEvery: _, ...decisive } = settings;
  const checkpoint = trainingCheckpoint(job.outputDirectory, {
    base: sha256Json([base.sha256, base.config]),
    rows: sha256Json([sequences, evaluated]),
    settings: decisive,
  });
  const extras = { heldOut: evaluated, checkpoint };
  const history = await trainAdapter(base.decoder, adapter, sequences, settings, onStep, signal, extras);
  const about = {
    baseModelName: repositoryOf(base.directory),
    baseSha256: base.sha256,
    redTeam: job.redTeam,
    training: settings,
  };
  writeAdapter(job.outputDirectory, adapter, about);
  checkpoint.remove();
  return { directory: job.outputDirectory, sha256: await adapterSha256(job.outputDirectory), history };
}

/**
 * One engine holds each base once, and lets go of it when another is asked for and nobody uses it.
 * @param threads CPU threads; default: all.
 */
export function createEngine(threads = availableParallelism()): Engine {
  const bases = new Map<string, Promise<Base>>();
  const models = new Map<number, OpenModel & { readonly base: Base }>();
  let handles = 0;
  const baseOf = async (directory: string): Promise<Base> => {
    const key = stateOf(directory);
    for (const [other, opened] of bases) {
      const idle = other === key ? null : await opened.catch(() => null);
      if (idle?.users !== 0) continue;
      bases.delete(other);
      await idle.decoder.close();
    }
    const opened = bases.get(key) ?? openBase(directory, threads);
    bases.set(key, opened);
    try {
      const base = await opened;
      base.users++;
      return base;
    } catch (error) {
      bases.delete(key);
      throw error;
    }
  };
  const model = (handle: number) => {
    const found = models.get(handle);
    if (!found) throw new Error(`internal: model ${handle} is not open`);
    return found;
  };

  return {
    async open(directory, adapterDirectory) {
      const config = readDecoderConfig(directory);
      const lora = adapterDirectory ? readAdapter(adapterDirectory, config) : null;
      const base = await baseOf(directory);
      try {
        if (lora) assertAdapterFits(lora, base.sha256);
        const tokenizer = loadChatTokenizer(
          directory,
          adapterDirectory ? { templateDirectory: adapterDirectory } : {},
        );
        const adapter = lora ? await base.decoder.attach(lora) : null;
        const handle = ++handles;
        models.set(handle, { ...base, base, adapter, tokenizer });
        const fingerprint = sha256Json([
          base.sha256,
          base.config,
          tokenizer.sha256(),
          adapterDirectory && [await adapterSha256(adapterDirectory), adapter!.layers.map(({ key }) => key)],
        ]);
        const unprovenBase = lora && lora.baseSha256 === null ? (lora.baseModelName ?? 'no base') : null;
        return { handle, fingerprint, contextLength: base.config.contextLength, unprovenBase };
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
    generate: async (handle, ...request) => generateAnswers(model(handle), ...request),
    async stream(handle, prompt, decoding, onPart, signal) {
      for await (const part of streamAnswer(model(handle), prompt, decoding, signal)) onPart(part);
    },
    loglikelihood: async (handle, ...request) => scoreContinuations(model(handle), ...request),
    firstTokenMass: async (handle, ...request) => firstTokenMass(model(handle), ...request),
    hiddenStates: async (handle, ...request) => hiddenStates(model(handle), ...request),
    async train(job, onStep, signal) {
      const base = await baseOf(job.modelDirectory);
      try {
        return await runTraining(base, job, onStep, signal);
      } finally {
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
