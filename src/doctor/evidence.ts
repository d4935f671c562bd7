import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createAttempts } from '../attempts.ts';
import type { Builtin } from '../builtin.ts';
import type { Config } from '../config.ts';
import type { Conversation } from '../conversation.ts';
import { fetchedData } from '../data/resolve.ts';
import type { AuditError } from '../errors.ts';
import { modelPaths } from '../fetch-models.ts';
import { localPath } from '../hub/cache.ts';
import { type DecoderConfig, readDecoderConfig } from '../lm/config.ts';
import { type ChatTokenizer, loadChatTokenizer } from '../lm/tokenizer.ts';
import { dataFiles, planRows, readTrainingData } from '../plan.ts';
import type { Suite } from '../suite.ts';
import type { TrainingRow } from '../trainer.ts';

/** What the static checks look at: nothing in it needs weights or the network. */
export interface Evidence {
  readonly config: Config;
  readonly suites: readonly Suite[];
  /** What each arm that trains is shown, in order. */
  readonly rows: ReadonlyMap<string, readonly TrainingRow[]>;
  /** The base's, where its folder is on this machine and can be read. */
  readonly base: LocalModel | null;
  /** Where a model or an adapter of the config lies, or would: a Hub name with its commit has a place in the cache. */
  readonly placeOf: (path: string) => string;
  /** What could not be read: data, suites, the base. */
  readonly failures: readonly AuditError[];
}

/** A model folder without its weights. */
export interface LocalModel {
  readonly directory: string;
  readonly shape: DecoderConfig;
  readonly tokenizer: ChatTokenizer;
  /** Tokens of a conversation, with or without the beginning of an answer behind it. */
  readonly countTokens: (messages: Conversation, addGenerationPrompt: boolean) => number;
  /** Of its weight files. */
  readonly weightBytes: number;
}

/** Reads everything that can be read and keeps what cannot as failures. */
export async function gatherEvidence(config: Config, builtin: Builtin): Promise<Evidence> {
  const { run: attempt, errors: failures } = createAttempts();
  const fetched = await attempt(() => fetchedData(dataFiles(config)));
  const suites = fetched && (await attempt(() => builtin.suites(config.suites, config.seed)));
  const rows = fetched && (await attempt(() => planRows(config, readTrainingData(config))));
  const base = await attempt(() => readLocalModel(config));
  const places = new Map<string, string>();
  const { models, adapters } = modelPaths(config);
  for (const path of [...models, ...adapters]) places.set(path, await localPath(path));
  const placeOf = (path: string) => places.get(path) ?? path;
  return { config, suites: suites ?? [], rows: rows ?? new Map(), base, placeOf, failures };
}

/** Null where the model is not a folder on this machine: fetched later, one GGUF file, or run by somebody else. */
async function readLocalModel({ model }: Config): Promise<LocalModel | null> {
  if ('endpoint' in model) return null;
  const directory = await localPath(model.path);
  if (model.engine !== 'embedded' || !existsSync(join(directory, 'tokenizer.json'))) return null;
  const shape = readDecoderConfig(directory);
  const { enableThinking } = model;
  const tokenizer = loadChatTokenizer(directory, { vocabularySize: shape.vocabularySize, enableThinking });
  const weights = readdirSync(directory).filter((name) => name.endsWith('.safetensors'));
  const bytes = weights.map((name) => statSync(join(directory, name)).size);
  const weightBytes = bytes.reduce((sum, size) => sum + size, 0);
  return { directory, shape, tokenizer, countTokens: createCounter(tokenizer), weightBytes };
}

/** Several checks ask for the same conversations. */
function createCounter(tokenizer: ChatTokenizer): LocalModel['countTokens'] {
  const known = [new WeakMap<Conversation, number>(), new WeakMap<Conversation, number>()];
  return (messages, addGenerationPrompt) => {
    const counts = known[Number(addGenerationPrompt)]!;
    const before = counts.get(messages);
    if (before !== undefined) return before;
    const count = tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt })).length;
    counts.set(messages, count);
    return count;
  };
}

/** A prompt of a suite, for people. */
export interface AskedPrompt {
  readonly suite: Suite['kind'];
  readonly name: string;
  readonly messages: Conversation;
  readonly maxTokens: number;
}

export function askedPrompts({ suites }: Pick<Evidence, 'suites'>): AskedPrompt[] {
  return suites.flatMap(({ kind, items, decoding }) =>
    items.map(({ id, condition, messages }) => ({
      suite: kind,
      name: `${kind} ${id}${condition === 'default' ? '' : ` (${condition})`}`,
      messages,
      maxTokens: decoding.maxTokens,
    })),
  );
}

/** Every row that any arm is shown, once. */
export function trainingRows({ rows }: Pick<Evidence, 'rows'>): TrainingRow[] {
  const seen = new Map<string, TrainingRow>();
  for (const own of rows.values()) for (const row of own) seen.set(JSON.stringify(row.messages), row);
  return [...seen.values()];
}

export const lastUserTurn = (messages: Conversation) =>
  messages.findLast(({ role }) => role === 'user')?.content ?? '';

export const systemOf = (messages: Conversation) =>
  messages[0]?.role === 'system' ? messages[0].content : null;
