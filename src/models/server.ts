import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import { generate, quarterOfCharacters, renderPlain } from './openai/chat-model.ts';
import { type Connection, type ConnectionSettings, connect, type Environment } from './openai/connection.ts';
import { findModel } from './openai/models-list.ts';
import { backOffMs, pause } from './openai/pause.ts';
import { createPlaces } from './openai/places.ts';
import { createPool, type Pool } from './openai/pool.ts';
import { answeredPrompt, goesOnFrom, probeChat } from './openai/probe.ts';

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
  readonly signal?: AbortSignal | undefined;
}

/**
 * A chat model behind `/chat/completions`, for judging. Its weights cannot be seen: the fingerprint covers address and
 * name alone. How many log-probabilities it gives, and whether it goes on from what it should judge, is tried when it is
 * opened. Token counts of `render` are estimates; a server refuses what is too long itself.
 * What fails for one prompt only (no answer in time, errors of the server after every attempt) is an AuditError `model`,
 * `data` where it is refused; `network` when the server cannot be reached, `config` when it refuses the key or knows no
 * such model.
 * Source: OpenAI's API reference, "Create chat completion"; the fields that vLLM and llama.cpp give as well.
 */
export async function openServerModel(
  settings: ServerSettings,
  { backoffMs = 500, environment = process.env, signal }: Hooks = {},
): Promise<LanguageModel> {
  const { endpoint, name, concurrency, attempts, logprobs } = settings;
  const connection = connect(settings, environment);
  await findJudge(connection, settings, backoffMs, signal);
  const pool = createPool({
    members: [{ connection, weight: 1 }],
    ...{ attempts, backoffMs, budget: null, places: createPlaces(concurrency) },
  });
  const { asked, goesOn } = await probeJudge(pool, { model: name, logprobs, enableThinking: null }, signal);
  const options = {
    ...asked,
    name: `${name} at ${endpoint}`,
    ...{ concurrency, countTokens: quarterOfCharacters },
  };
  return {
    name: options.name,
    fingerprint: sha256Json({ server: endpoint, name }),
    contextLength: Number.MAX_SAFE_INTEGER,
    device: 'server',
    unprovenBase: null,
    batchSize: concurrency,
    concurrency,
    ...(goesOn && { lacks: { closedAnswers } }),
    render: renderPlain(quarterOfCharacters),
    generate: (prompts, decoding, signal) => {
      if (prompts.some(({ prefill }) => prefill !== undefined))
        throw new AuditError('unsupported', `${endpoint}: an answer's beginning cannot be given here`);
      return generate(pool, options, prompts, decoding, signal);
    },
    close: async () => {},
  };
}

const closedAnswers =
  'start llama-server with --no-prefill-assistant; in Ollama give the model a TEMPLATE that ends the assistant’s turn and opens the next; TGI cannot';

/** How it is asked, and whether it goes on from what it should judge; of a template that takes whole pairs alone that is not known. */
async function probeJudge(
  pool: Pool,
  wanted: Parameters<typeof probeChat>[1],
  signal: AbortSignal | undefined,
) {
  try {
    const probed = await probeChat(pool, wanted, signal);
    return { asked: probed.settings, goesOn: await goesOnFrom('last message', probed) };
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'data') throw error;
    const probed = await probeChat(pool, wanted, signal, answeredPrompt).catch(() => Promise.reject(error));
    return { asked: probed.settings, goesOn: false };
  }
}

/** A server that is only starting is waited for. */
async function findJudge(
  connection: Connection,
  { name, attempts }: ServerSettings,
  backoffMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await findModel(connection, name, 'the judge’s model.name', signal);
      return;
    } catch (error) {
      if (!(error instanceof AuditError) || error.code !== 'network' || attempt >= attempts) throw error;
    }
    await pause(backOffMs(null, attempt, backoffMs), signal);
  }
}
