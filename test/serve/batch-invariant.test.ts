import { expect, it } from 'vitest';
import { serve } from '../../src/commands/serve.ts';
import type { Prompt } from '../../src/model.ts';
import { quietContext } from '../command-context.ts';
import { wrenPrompts } from '../lm/wren-rows.ts';

it('answers the same to the last bit whoever else asks, where that is asked for', async () => {
  const stop = new AbortController();
  const flags = { model: 'builtin:wren', adapter: [], host: '127.0.0.1', port: 0, batchInvariant: true };
  const { document, finished } = await serve(flags, '0', { ...quietContext, signal: stop.signal });
  const { url } = document as { url: string };
  const ask = async ({ messages }: Prompt, seed: number): Promise<unknown> => {
    const body = {
      model: 'wren',
      messages,
      seed,
      temperature: 0.8,
      max_tokens: 24,
      logprobs: true,
      top_logprobs: 5,
    };
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { choices } = (await response.json()) as { choices: unknown[] };
    return choices;
  };
  try {
    const prompts = wrenPrompts(12);
    const alone: unknown[] = [];
    for (const [seed, prompt] of prompts.entries()) alone.push(await ask(prompt, seed));
    // Some come while others are half done.
    const together = prompts.map(
      (prompt, seed) =>
        new Promise((resolve) => setTimeout(() => resolve(ask(prompt, seed)), 15 * (seed % 5))),
    );
    expect(await Promise.all(together)).toEqual(alone);
  } finally {
    stop.abort();
    await finished;
  }
});
