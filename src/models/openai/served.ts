import { canaryDistance, canaryPrompts, isMoved } from '../../canary.ts';
import { AuditError } from '../../errors.ts';
import { sha256Json } from '../../hash.ts';
import type { LanguageModel } from '../../model.ts';
import type { ModelServer } from '../../model-server.ts';
import type { FirstTokens, ServerCapabilities, ServerRecord } from '../../server-record.ts';
import type { BudgetSettings } from '../../spending.ts';
import { createBudget } from './budget.ts';
import {
  type AskOptions,
  askFirst,
  firstTokenMass,
  generate,
  loglikelihood,
  renderAll,
} from './chat-model.ts';
import { type Connection, connect, type Environment } from './connection.ts';
import { lacksOf } from './lacks.ts';
import { findAdapter, unloadAdapter } from './lora.ts';
import { listModels } from './models-list.ts';
import { createPlaces, type Places } from './places.ts';
import { createPool, type Member, type Pool } from './pool.ts';
import { probe } from './probe.ts';
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
  readonly budget?: BudgetSettings | undefined;
}

interface Hooks {
  readonly backoffMs?: number;
  readonly environment?: Environment;
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
  readonly canaries: Map<string, FirstTokens[]>;
}

/**
 * Opens servers of one model: looks whether they have the base, tries what they can do (the least of all of them
 * counts), and reads the base's canary.
 * @throws AuditError `network` when one cannot be reached; `config` when it refuses the key or lacks the base.
 */
export async function openModelServer(
  settings: ServedSettings,
  { backoffMs = 500, environment = process.env }: Hooks = {},
): Promise<ModelServer> {
  const { endpoint, base, attempts, concurrency, logprobs, enableThinking, apiKeyEnv, timeoutSeconds } =
    settings;
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
  const seen: { endpoint: ServerRecord['endpoints'][number]; capabilities: ServerCapabilities }[] = [];
  for (const [at, { connection }] of members.entries()) {
    const { contextLength, software } = await findBase(connection, base);
    const { capabilities, systemFingerprint } = await probe(pools[at]!, {
      model: base,
      logprobs,
      enableThinking,
    });
    seen.push({
      endpoint: { address: connection.endpoint, software, systemFingerprint },
      capabilities: { ...capabilities, contextLength },
    });
  }
  const served: Served = {
    settings,
    addresses: members.map(({ connection }) => connection.endpoint),
    connections: members.map(({ connection }) => connection),
    pool: members.length === 1 ? pools[0]! : poolOf(members),
    pools,
    capabilities: seen.map(({ capabilities }) => capabilities).reduce(least),
    canaries: new Map(),
  };
  const loaded = new Set<string>();
  return {
    model: (adapter) => openServed(served, adapter, loaded),
    record: (): ServerRecord => ({
      endpoints: seen.map((one) => one.endpoint),
      capabilities: served.capabilities,
      canaries: Object.fromEntries(served.canaries),
    }),
    close: async () => {
      for (const name of loaded)
        for (const connection of served.connections) await unloadAdapter(connection, name);
    },
  };
}

async function findBase(connection: Connection, base: string) {
  const listed = await listModels(connection, base);
  const card = listed?.find(({ id }) => id === base);
  if (listed && listed.length > 0 && !card)
    throw new AuditError('config', `${connection.endpoint} has no model ${base}`, {
      hint: `set model.base to one that it lists: ${listed.map(({ id }) => id).join(', ')}`,
    });
  const contextLength = card?.max_model_len ?? card?.meta?.n_ctx ?? null;
  return { contextLength, software: card?.owned_by ?? null };
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
    likelihood: a.likelihood && b.likelihood,
    tokenizer: both(a.tokenizer, b.tokenizer),
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
    for (const connection of connections) found.push(await findAdapter(connection, base, adapter));
    name = found[0]!.name;
    if (found.some((one) => one.name !== name))
      throw new AuditError('adapter', `${adapter}: the servers list it under different names`, {
        hint: 'give it the same name on every server',
      });
    if (found.some((one) => one.loaded)) loaded.add(name);
  }
  const options: AskOptions = {
    name: `${name} at ${addresses.join(', ')}`,
    model: name,
    ...{ topLogProbabilities: capabilities.topLogProbabilities, prefill: capabilities.prefill },
    ...{ enableThinking, concurrency },
  };
  await proveAdapter(served, options);
  const { tokenizer } = capabilities;
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
    render: renderAll,
    generate: (prompts, decoding, signal) => generate(pool, options, prompts, decoding, signal),
    ...(tokenizer && { tokenTexts: (texts) => tokenTexts(pool, tokenizer, base, texts) }),
    ...(capabilities.topLogProbabilities !== null && {
      firstTokenMass: (prompts, ids, signal) => firstTokenMass(pool, options, prompts, ids, signal),
    }),
    ...(capabilities.likelihood && {
      loglikelihood: (prompt, texts, signal) => loglikelihood(pool, options, prompt, texts, signal),
    }),
    close: async () => {},
  };
}

/**
 * Reads a model's canary on every server, once; an adapter must move the base's.
 * Without log-probabilities there is nothing to read.
 * @throws AuditError `adapter` where it does not: a server may say that it loaded what it did not.
 */
async function proveAdapter(
  { settings, capabilities, canaries, pools, addresses }: Served,
  options: AskOptions,
) {
  if (capabilities.topLogProbabilities === null || canaries.has(options.model)) return;
  const baseOptions = { ...options, model: settings.base };
  for (const [at, pool] of pools.entries()) {
    const own = await readCanary(pool, options);
    if (!canaries.has(options.model)) canaries.set(options.model, own);
    if (options.model === settings.base) continue;
    const before = canaries.get(settings.base) ?? (await readCanary(pool, baseOptions));
    if (!canaries.has(settings.base)) canaries.set(settings.base, before);
    const now = await readCanary(pool, baseOptions);
    const distance = canaryDistance(now, own);
    if (isMoved(distance, canaryDistance(before, now))) continue;
    canaries.delete(options.model);
    throw new AuditError('adapter', `${addresses[at]}: ${options.model} answers as ${settings.base} does`, {
      problems: [
        `mean change of the first tokens' ln p on ${canaryPrompts.length} prompts: ${distance.toExponential(1)}`,
      ],
      hint: 'the server has not applied the adapter, whatever it said: check the folder, its rank against --max-lora-rank, and the server’s log',
    });
  }
}

async function readCanary(pool: Pool, options: AskOptions): Promise<FirstTokens[]> {
  const readings: FirstTokens[] = [];
  for (const content of canaryPrompts) {
    const { positions } = await askFirst(pool, options, { messages: [{ role: 'user', content }] }, undefined);
    const [first] = positions;
    // A server that shows no others still says how likely its own choice was.
    const shown = first && first.top.length === 0 ? [first] : (first?.top ?? []);
    readings.push(
      Object.fromEntries(
        shown.flatMap(({ text, logProbability }) =>
          logProbability === null ? [] : [[text, Math.round(logProbability * 1e4) / 1e4] as const],
        ),
      ),
    );
  }
  return readings;
}
