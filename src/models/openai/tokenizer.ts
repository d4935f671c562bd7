import { z } from 'zod';
import type { ServerCapabilities } from '../../server-record.ts';
import { parseJson } from './chat.ts';
import type { Pool } from './pool.ts';

/** Texts as tokens, by the endpoints that vLLM and llama-server have beside OpenAI's. */

const ids = z.object({ tokens: z.array(z.int()) });
const pieces = z.object({
  tokens: z.array(z.object({ piece: z.union([z.string(), z.array(z.number())]) })),
});
const detokenized = z.object({ prompt: z.string() });

/**
 * Each text as the texts of its tokens; '' for a token that ends inside a character, whose text comes with the one that
 * completes it.
 */
export async function tokenTexts(
  pool: Pool,
  kind: NonNullable<ServerCapabilities['tokenizer']>,
  model: string,
  texts: readonly string[],
): Promise<string[][]> {
  const made: string[][] = [];
  for (const text of texts) {
    made.push(kind === 'vllm' ? await byPrefixes(pool, model, text) : await byPieces(pool, model, text));
  }
  return made;
}

async function byPieces(pool: Pool, model: string, text: string): Promise<string[]> {
  const { tokens } = await ask(pool, '/tokenize', pieces, model, { content: text, with_pieces: true });
  return tokens.map(({ piece }) => (typeof piece === 'string' ? piece : ''));
}

/** vLLM gives ids alone; what a token adds is what it makes of the text before it. */
async function byPrefixes(pool: Pool, model: string, text: string): Promise<string[]> {
  const body = { model, prompt: text, add_special_tokens: false };
  const { tokens } = await ask(pool, '/tokenize', ids, model, body);
  const texts: string[] = [];
  let before = '';
  for (const count of tokens.keys()) {
    const prefix = { model, tokens: tokens.slice(0, count + 1) };
    const { prompt } = await ask(pool, '/detokenize', detokenized, model, prefix);
    const whole = prompt.endsWith('\ufffd') && !text.startsWith(prompt) ? before : prompt;
    texts.push(whole.slice(before.length));
    before = whole;
  }
  return texts;
}

function ask<T>(pool: Pool, path: string, schema: z.ZodType<T>, name: string, body: object): Promise<T> {
  const read = (text: string) => {
    const parsed = schema.safeParse(parseJson(text));
    return parsed.success ? parsed.data : null;
  };
  return pool.ask({ path, body, name, read }, undefined);
}
