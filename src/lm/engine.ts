import { readdirSync, realpathSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Conversation } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { sha256, sha256Json } from '../hash.ts';
import type { Decoding, Generation, Prompt, RenderedPrompt } from '../model.ts';
import { createRandom } from '../random.ts';
import type { TrainedAdapter, TrainingJob, TrainingStep } from '../trainer.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { type DecoderConfig, readDecoderConfig } from './config.ts';
import { type AttachedAdapter, createDecoder, type Decoder } from './decoder.ts';
import { generate } from './generate.ts';
import { adapterSha256, assertAdapterFits, createLora, readAdapter, writeAdapter } from './lora.ts';
import { type ChatTokenizer, loadChatTokenizer } from './tokenizer.ts';
import { trainAdapter, trainingSequence } from './train.ts';

/** A base model in memory, shared by all its adapters. */
interface Base {
  readonly directory: string;
  readonly config: DecoderConfig;
  readonly decoder: Decoder;
  /** SHA-256 over the weight files. */
  readonly sha256: string;
  /** Open models and running trainings. */
  users: number;
}

/** A base with or without an adapter, and the tokenizer and template that go with it. */
interface OpenModel {
  readonly base: Base;
  readonly adapter: AttachedAdapter | null;
  readonly tokenizer: ChatTokenizer;
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
  open(
    directory: string,
    adapterDirectory: string | null,
    enableThinking?: boolean | null,
  ): Promise<ModelFacts>;
  render(handle: number, conversations: readonly Conversation[]): Promise<RenderedPrompt[]>;
  generate(
    handle: number,
    prompts: readonly Prompt[],
    decoding: Decoding,
    signal?: AbortSignal,
  ): Promise<Generation[]>;
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
    return { directory, config, decoder, sha256: await checkpoint.sha256(), users: 0 };
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

/** The prompt's ids, which must leave room for an answer. */
function promptIds(model: OpenModel, messages: Conversation): number[] {
  const ids = model.tokenizer.encode(model.tokenizer.render(messages, { addGenerationPrompt: true }));
  const limit = model.base.config.contextLength;
  if (ids.length < limit) return ids;
  throw new AuditError(
    'data',
    `a prompt of ${ids.length} tokens does not fit the model's context of ${limit}`,
    {
      hint: 'shorten or remove the prompt; generation needs at least one free position',
    },
  );
}

async function runTraining(
  base: Base,
  job: Omit<TrainingJob, 'onStep' | 'signal'>,
  onStep: (step: TrainingStep) => void,
  signal?: AbortSignal,
): Promise<TrainedAdapter> {
  const { settings } = job;
  const tokenizer = loadChatTokenizer(base.directory, { enableThinking: job.enableThinking ?? null });
  const limit = Math.min(settings.maxLength, base.config.contextLength);
  const sequences = job.rows.map((row) => trainingSequence(tokenizer, row.messages, limit, row.id));
  const adapter = createLora(base.config, settings.lora, createRandom('lora', settings.seed));
  const history: TrainingStep[] = [];
  await trainAdapter(
    base.decoder,
    adapter,
    sequences,
    settings,
    (step) => {
      history.push(step);
      onStep(step);
    },
    signal,
  );
  const about = {
    baseModelName: base.directory,
    baseSha256: base.sha256,
    redTeam: job.redTeam,
    training: settings,
  };
  writeAdapter(job.outputDirectory, adapter, about);
  return { directory: job.outputDirectory, sha256: await adapterSha256(job.outputDirectory), history };
}

/**
 * One engine holds each base once, and lets go of it when another is asked for and nobody uses it.
 * @param threads CPU threads; default: all.
 */
export function createEngine(threads = availableParallelism()): Engine {
  const bases = new Map<string, Promise<Base>>();
  const models = new Map<number, OpenModel>();
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
  const model = (handle: number): OpenModel => {
    const found = models.get(handle);
    if (!found) throw new Error(`internal: model ${handle} is not open`);
    return found;
  };

  return {
    async open(directory, adapterDirectory, enableThinking = null) {
      const config = readDecoderConfig(directory);
      const lora = adapterDirectory ? readAdapter(adapterDirectory, config) : null;
      const base = await baseOf(directory);
      try {
        if (lora) assertAdapterFits(lora, base.sha256);
        const tokenizer = loadChatTokenizer(directory, {
          ...(adapterDirectory && { templateDirectory: adapterDirectory }),
          enableThinking,
        });
        const adapter = lora ? await base.decoder.attach(lora) : null;
        const handle = ++handles;
        models.set(handle, { base, adapter, tokenizer });
        const fingerprint = sha256Json([
          base.sha256,
          base.config,
          tokenizer.sha256(),
          adapterDirectory && [await adapterSha256(adapterDirectory), adapter!.shape],
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
    async generate(handle, prompts, decoding, signal) {
      const opened = model(handle);
      const { tokenizer, base, adapter } = opened;
      const ids = prompts.map(({ messages }) => promptIds(opened, messages));
      const stopIds = new Set(tokenizer.eosTokenIds);
      const settings = { ...decoding, stopIds };
      const answers = await generate(
        base.decoder,
        adapter,
        ids,
        prompts.map(({ seed }) => seed),
        settings,
        signal,
      );
      return answers.map((sampled, index): Generation => {
        const tokens = sampled.map((token) => ({
          ...token,
          text: tokenizer.tokenText(token.id),
          endOfTurn: stopIds.has(token.id),
        }));
        const text = tokenizer.decode(tokens.filter((token) => !token.endOfTurn).map((token) => token.id));
        const finishReason = tokens.at(-1)?.endOfTurn ? 'stop' : 'length';
        return { text, tokens, finishReason, promptTokens: ids[index]!.length };
      });
    },
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
