import { afterEach } from 'vitest';
import { openModelServer, type ServedSettings } from '../../../src/models/openai/served.ts';
import { type ToyOptions, type ToyServer, toyServer } from './toy-server.ts';

/** A toy server of vLLM's make with the models on it, closed after the test. */

const servers: ToyServer[] = [];
export const closedAfterTest = (...some: ToyServer[]) => void servers.push(...some);
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

export async function openToy(options: Partial<ToyOptions> = {}, own: Partial<ServedSettings> = {}) {
  const answer: ToyOptions['answer'] = (model, messages) =>
    `${model} heard ${messages.at(-1)!.content} and more`;
  const server = await toyServer({ make: 'vllm', answer, ...options });
  closedAfterTest(server);
  const settings: ServedSettings = {
    ...{ endpoint: server.endpoint, base: 'toy', apiKeyEnv: null, timeoutSeconds: 5, attempts: 3 },
    ...{ concurrency: 4, logprobs: true, enableThinking: null },
    ...own,
  };
  return { server, models: await openModelServer(settings, { backoffMs: 1, environment: {} }) };
}
export const decoding = { maxTokens: 20, temperature: 0, topP: 1, seed: 0 };
export const prompt = (content: string) => ({ messages: [{ role: 'user' as const, content }], seed: 3 });
