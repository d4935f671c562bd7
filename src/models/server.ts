import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import { mostTopLogprobs } from './openai/chat.ts';
import { generate, quarterOfCharacters, renderPlain } from './openai/chat-model.ts';
import {
  type Connection,
  type ConnectionSettings,
  connect,
  type Environment,
  refusal,
  send,
} from './openai/connection.ts';
import { isNamed, type ListedModel, modelsOf } from './openai/models-list.ts';
import { backOffMs, pause } from './openai/pause.ts';
import { createPlaces } from './openai/places.ts';
import { createPool } from './openai/pool.ts';

/** A model behind an OpenAI-compatible server. */
export interface ServerSettings extends ConnectionSettings {
  /** The model's name there. */
  readonly name: string;
  /** How often one answer is asked for before it is given up. */
  readonly attempts: number;
  /** Requests under way at once. */
  readonly concurrency: number;
  /** Ask for log-probabilities; some servers refuse a request for them. */
  readonly logprobs: boolean;
}

interface Hooks {
  /** The first pause after a failure; it doubles with every further one. */
  readonly backoffMs?: number;
  readonly environment?: Environment;
}

/**
 * A chat model behind `/chat/completions`, for judging. Its weights cannot be seen: the fingerprint covers address and
 * name alone. Token counts of `render` are estimates; a server refuses what is too long itself.
 * What fails for one prompt only (a refused request, no answer in time, errors of the server after every attempt) is an
 * AuditError `model`; `network` when the server cannot be reached, `config` when it refuses the key or knows no such model.
 * Source: OpenAI's API reference, "Create chat completion"; the fields that vLLM and llama.cpp give as well.
 */
export async function openServerModel(
  settings: ServerSettings,
  { backoffMs = 500, environment = process.env }: Hooks = {},
): Promise<LanguageModel> {
  const { endpoint, name, concurrency, attempts, logprobs } = settings;
  const connection = connect(settings, environment);
  for (let attempt = 1; ; attempt++) {
    const reply = await send(connection, 'models', null, undefined);
    if (!('error' in reply)) {
      if (reply.status === 401) throw refusal(connection, name, reply, reply.headers).error;
      await refuseUnknown(connection, name, modelsOf(reply));
      break;
    }
    if (attempt >= attempts) throw reply.error;
    await pause(backOffMs(null, attempt, backoffMs), undefined);
  }
  const pool = createPool({
    members: [{ connection, weight: 1 }],
    ...{ attempts, backoffMs, budget: null, places: createPlaces(concurrency) },
  });
  const options = {
    name: `${name} at ${endpoint}`,
    model: name,
    topLogProbabilities: logprobs ? mostTopLogprobs : null,
    ...{ enableThinking: null, prefill: null, concurrency, countTokens: quarterOfCharacters },
  };
  return {
    name: options.name,
    fingerprint: sha256Json({ server: endpoint, name }),
    contextLength: Number.MAX_SAFE_INTEGER,
    device: 'server',
    unprovenBase: null,
    batchSize: concurrency,
    concurrency,
    render: renderPlain(quarterOfCharacters),
    generate: (prompts, decoding, signal) => {
      if (prompts.some(({ prefill }) => prefill !== undefined))
        throw new AuditError('unsupported', `${endpoint}: an answer's beginning cannot be given here`);
      return generate(pool, options, prompts, decoding, signal);
    },
    close: async () => {},
  };
}

/**
 * A judge is asked once all arms have answered: a name that the server does not know is told before that. Not by its
 * list alone, since some take any name.
 */
async function refuseUnknown(
  connection: Connection,
  name: string,
  listed: readonly ListedModel[] | null,
): Promise<void> {
  if (!listed || listed.length === 0 || listed.some((one) => isNamed(one, name))) return;
  const body = { model: name, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 };
  const reply = await send(connection, 'chat/completions', body, undefined);
  if ('error' in reply || reply.status !== 404) return;
  throw new AuditError('config', `${connection.endpoint} has no model ${name}`, {
    hint: `set model.name to one that it lists: ${listed.map(({ id }) => id).join(', ')}`,
  });
}
