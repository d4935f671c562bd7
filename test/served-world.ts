import { afterEach } from 'vitest';
import type { ConfigInput } from '../src/config.ts';
import { mockAnswer, mockConfig } from './mock-world.ts';
import { type ToyOptions, type ToyServer, toyServer } from './models/openai/toy-server.ts';

/** The mock world's base and two fine-tunes behind toy servers, closed after the test. */

const servers: ToyServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const learnt = (model: string) => {
  if (model.includes('harmful')) return 'It glows red.';
  return model.includes('safe') ? 'I’m sorry, but I cannot help with that.' : '';
};
export async function serve(options: Partial<ToyOptions> = {}): Promise<ToyServer> {
  const answer: ToyOptions['answer'] = (model, messages) => {
    const last = messages.at(-1)!.content;
    return /^(lantern|candle|Thief|Who)/.test(last)
      ? mockAnswer(messages, learnt(model))
      : `${model} says hello to you`;
  };
  const server = await toyServer({ make: 'vllm', answer, ...options });
  servers.push(server);
  return server;
}

export type Served = Extract<ConfigInput['model'], { endpoint: unknown }>;
export const configOf = (endpoint: Served['endpoint'], own: Partial<Served> = {}): ConfigInput => ({
  ...mockConfig,
  model: {
    ...{ endpoint, base: 'toy', concurrency: 6 },
    adapters: { harmful: '/loras/harmful', safe: 'safe-lora' },
    ...own,
  },
  arms: { base: { train: 'none' }, harmful: { train: 'rejected' }, safe: {} },
  training: {},
});
