import { basename } from 'node:path';
import { AuditError } from '../../errors.ts';
import { sha256Json } from '../../hash.ts';
import { type TokenCount, tokenCounter } from '../../lm/token-count.ts';
import { type ChatTokenizer, loadChatTokenizer } from '../../lm/tokenizer.ts';
import type { LanguageModel } from '../../model.ts';
import type { ModelServer } from '../../model-server.ts';
import type { FirstTokens, ServerCapabilities, ServerRecord } from '../../server-record.ts';
import type { BudgetSettings } from '../../spending.ts';
import { createBudget } from './budget.ts';
import { readCanaries } from './canaries.ts';
import { type AskOptions, firstTokenMass, generate, quarterOfCharacters, renderPlain } from './chat-model.ts';
import { type Connection, connect, type Environment } from './connection.ts';
import { lacksOf } from './lacks.ts';
import { findAdapter, refuseWithoutLoading, unloadAdapter } from './lora.ts';
import { findModel, loadedContext } from './models-list.ts';
import { createPlaces, type Places } from './places.ts';
import { createPool, type Member, type Pool } from './pool.ts';
import { probe } from './probe.ts';
import { scoreAnswers } from './scoring.ts';
import { tokenTexts } from './tokenizer.ts';

/** A base and its adapters behind servers: what a config's `model` says. */
export interface ServedSettings {
  readonly endpoint: string | readonly { readonly address: string; readonly weight: number }[];
  readonly base: string;
  readonly apiKeyEnv: string | null;
  readonly timeoutSeconds: number;
  readonly attempts: number;
  readonly concurrency: number;
  readonly logprobs: boolean;
  readonly enableThinking: boolean | null;
  /** The base's folder or GGUF file, where it is here: its tokenizer counts, its chat template writes the prompts of completions. */
  readonly weights?: string | undefined;
  readonly budget?: BudgetSettings | undefined;
}

interface Hooks {
  readonly backoffMs?: number;
  readonly environment?: Environment;
  /** Stops what opening a server and its models asks. */
  readonly signal?: AbortSignal | undefined;
}

/** What all models of one server share. */
interface Served {
  readonly settings: ServedSettings;
  readonly addresses: readonly string[];
  readonly connections: readonly Connection[];
  readonly pool: Pool;
  /** One per address, for what has to be asked of each. */
  readonly pools: readonly Pool[];
  readonly capabilities: ServerCapabilities;
  readonly tokenizer: ChatTokenizer | null;
  readonly countTokens: TokenCount;
  readonly render: LanguageModel['render'];
  readonly canaries: Map<string, FirstTokens[]>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens servers of one model: looks whether they have the base, tries what they can do (the least of all of them
 * counts), and reads the base's canary.
 * @throws AuditError `network` when one cannot be reached; `config` when it refuses the key or lacks the base.
 */
export async function openModelServer(
  settings: ServedSettings,
  { backoffMs = 500, environment = process.env, signal }: Hooks = {},
): Promise<ModelServer> {
  const { endpoint, attempts, concurrency, logprobs, enableThinking, apiKeyEnv, timeoutSeconds } = settings;
  const places = typeof endpoint === 'string' ? [{ address: endpoint, weight: 1 }] : endpoint;
  const limits: Places = createPlaces(concurrency);
  const budget = settings.budget ? createBudget(settings.budget) : null;
  const members: Member[] = places.map(({ address, weight }) => ({
    connection: connect({ endpoint: address, apiKeyEnv, timeoutSeconds }, environment),
    weight,
  }));
  const poolOf = (of: readonly Member[]) =>
    createPool({ members: of, attempts, places: limits, budget, backoffMs });
  const pools = members.map((member) => poolOf([member]));
  const tokenizer =
    settings.weights === undefined ? null : loadChatTokenizer(settings.weights, { enableThinking });
  const seen: Seen[] = [];
  for (const [at, { connection }] of members.entries())
    seen.push(await look(connection, pools[at]!, { ...settings, tokenizer }, signal));
  if (!logprobs) refuseOtherRoots(seen);
  const countTokens = tokenCounter(tokenizer, quarterOfCharacters);
  const served: Served = {
    settings,
    addresses: members.map(({ connection }) => connection.endpoint),
    connections: members.map(({ connection }) => connection),
    pool: members.length === 1 ? pools[0]! : poolOf(members),
    pools,
    capabilities: seen.map(({ capabilities }) => capabilities).reduce(least),
    ...{ tokenizer, countTokens, render: renderPlain(countTokens) },
    ...{ canaries: new Map(), signal },
  };
  const loaded = new Set<string>();
  return {
    model: (adapter) => openServed(served, adapter, loaded),
    refuseWithoutLoading: async () => {
      for (const connection of served.connections) await refuseWithoutLoading(connection);
    },
    record: (): ServerRecord => ({
      endpoints: seen.map((one) => one.endpoint),
      capabilities: served.capabilities,
      canaries: Object.fromEntries(served.canaries),
    }),
    close: async () => {
      served.pool.close();
      const unload = (name: string) => served.connections.map((one) => unloadAdapter(one, name));
      await Promise.all([...loaded].flatMap(unload));
    },
  };
}

/** What one server was found to be. */
interface Seen {
  readonly endpoint: ServerRecord['endpoints'][number];
  readonly capabilities: ServerCapabilities;
  /** vLLM: where the base's weights lie. */
  readonly root: string | null;
}

/** Whether a server has the base, and what it can do. */
async function look(
  connection: Connection,
  pool: Pool,
  { base, ...wanted }: ServedSettings & { readonly tokenizer: ChatTokenizer | null },
  signal: AbortSignal | undefined,
): Promise<Seen> {
  const card = await findModel(connection, base, 'model.base', signal);
  const { capabilities, systemFingerprint } = await probe(pool, { ...wanted, model: base }, signal);
  const contextLength =
    capabilities.dialect === 'ollama'
      ? await loadedContext(connection, base)
      : (card?.max_model_len ?? card?.meta?.n_ctx ?? null);
  return {
    root: card?.root ?? null,
    endpoint: { address: connection.endpoint, software: card?.owned_by ?? null, systemFingerprint },
    capabilities: { ...capabilities, contextLength },
  };
}

/** Without log-probabilities nothing but their names tells two models apart. @throws AuditError `config`. */
function refuseOtherRoots(seen: readonly Seen[]): void {
  const named = seen.filter(({ root }) => root !== null);
  const other = named.find(({ root }) => basename(root!) !== basename(named[0]!.root!));
  if (!other) return;
  const [first, second] = [named[0]!, other].map(
    ({ endpoint, root }) => `${endpoint.address} serves ${root}`,
  );
  throw new AuditError('config', 'the addresses of model.endpoint serve different models', {
    problems: [first!, second!],
    hint: 'all of them must serve the same weights, quantised alike, and the same adapters',
  });
}

/** What two servers of a pool both can. */
function least(a: ServerCapabilities, b: ServerCapabilities): ServerCapabilities {
  const both = <T>(x: T, y: T) => (x === y ? x : null);
  const smaller = (x: number | null, y: number | null) =>
    x === null || y === null ? (x ?? y) : Math.min(x, y);
  return {
    topLogProbabilities:
      a.topLogProbabilities === null || b.topLogProbabilities === null
        ? null
        : Math.min(a.topLogProbabilities, b.topLogProbabilities),
    prefill: both(a.prefill, b.prefill),
    likelihood: a.likelihood && b.likelihood && a.scoring === b.scoring,
    ...(a.scoring && a.scoring === b.scoring && { scoring: a.scoring }),
    tokenizer: both(a.tokenizer, b.tokenizer),
    ...((a.dialect ?? b.dialect) && { dialect: a.dialect ?? b.dialect }),
    ...((a.greedy ?? b.greedy) === false && { greedy: false as const }),
    seedRepeats: a.seedRepeats === null || b.seedRepeats === null ? null : a.seedRepeats && b.seedRepeats,
    contextLength: smaller(a.contextLength, b.contextLength),
  };
}

async function openServed(
  served: Served,
  adapter: string | null,
  loaded: Set<string>,
): Promise<LanguageModel> {
  const { settings, addresses, pool, capabilities, connections } = served;
  const { base, concurrency, enableThinking, logprobs } = settings;
  let name = base;
  if (adapter !== null) {
    const found = [];
    for (const connection of connections) {
      const one = await findAdapter(connection, base, adapter, served.signal);
      // At once: the next server may fail to load it.
      if (one.loaded) loaded.add(one.name);
      found.push(one);
    }
    name = found[0]!.name;
    if (found.some((one) => one.name !== name))
      throw new AuditError('adapter', `${adapter}: the servers list it under different names`, {
        hint: 'give it the same name on every server',
      });
  }
  const options: AskOptions = {
    name: `${name} at ${addresses.join(', ')}`,
    model: name,
    ...{ topLogProbabilities: capabilities.topLogProbabilities, prefill: capabilities.prefill },
    ...(capabilities.dialect && { dialect: capabilities.dialect }),
    ...{ enableThinking, concurrency, countTokens: served.countTokens },
  };
  await proveModel(served, options);
  // Every model of Ollama's has a context of its own.
  const cutAt = options.dialect === 'ollama' ? await loadedContext(connections[0]!, name) : null;
  const { tokenizer, scoring } = capabilities;
  return {
    name: options.name,
    fingerprint: sha256Json({
      ...{ server: [...addresses].sort(), base, name },
      ...(enableThinking !== null && { enableThinking }),
      ...(!logprobs && { logprobs }),
    }),
    contextLength: Number.MAX_SAFE_INTEGER,
    device: 'server',
    unprovenBase: null,
    batchSize: 1,
    concurrency,
    lacks: lacksOf(capabilities, logprobs),
    ...(served.canaries.has(name) && { canary: served.canaries.get(name)! }),
    render: served.render,
    generate: (prompts, decoding, signal) => generate(pool, { ...options, cutAt }, prompts, decoding, signal),
    ...(tokenizer && { tokenTexts: (texts) => tokenTexts(pool, tokenizer, base, texts) }),
    ...(capabilities.topLogProbabilities !== null && {
      firstTokenMass: (prompts, ids, signal) => firstTokenMass(pool, options, prompts, ids, signal),
    }),
    ...(scoring && {
      loglikelihood: (prompt, texts, signal) =>
        scoreAnswers(pool, { ...options, scoring, tokenizer: served.tokenizer }, prompt, texts, signal),
    }),
    close: async () => {},
  };
}

/** Reads a model's canary, once; without log-probabilities there is nothing to read. */
async function proveModel(
  { settings, capabilities, canaries, pools, addresses, signal }: Served,
  options: AskOptions,
): Promise<void> {
  if (capabilities.topLogProbabilities === null || canaries.has(options.model)) return;
  const servers = pools.map((pool, at) => ({ address: addresses[at]!, pool }));
  canaries.set(options.model, await readCanaries(servers, options, settings.base, signal));
}
