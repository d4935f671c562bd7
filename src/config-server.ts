import { z } from 'zod';
import { count, modelPath } from './config-model.ts';

/** What a config says of models behind an OpenAI-compatible server: a judge's, or the one that is audited. */

const address = z
  .string()
  .refine(isPlainAddress, {
    error: 'expected an address without user, key or query, as in http://127.0.0.1:8000/v1',
  })
  .describe('An OpenAI-compatible server, as far as the version: http://127.0.0.1:8000/v1');

function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text) || /\s/.test(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && !(username || password || search || hash);
}

const connection = {
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'expected the name of an environment variable, never the key itself')
    .nullable()
    .default(null)
    .describe('The environment variable that holds the key'),
  timeoutSeconds: z.number().positive().max(3600).default(60),
  attempts: count.max(20).default(5).describe('How often one answer is asked for before it is given up'),
  concurrency: count.max(256).default(8).describe('Requests under way at once'),
  logprobs: z.boolean().default(true).describe('Ask for log-probabilities; some servers refuse that'),
};

/** A judge behind a server. */
export const serverModel = z.strictObject({
  endpoint: address,
  name: z.string().min(1).describe('The model’s name there'),
  ...connection,
});

const price = z.number().min(0);

const budget = z
  .strictObject({
    requests: count.optional().describe('Repeated attempts included'),
    tokens: count.optional().describe('Read and written'),
    money: z.number().positive().optional().describe('In the currency of the prices; needs them'),
    prices: z
      .strictObject({ read: price, written: price })
      .optional()
      .describe('Of a million tokens, from your provider’s list'),
  })
  .describe('Of one start of the command: a run that has spent it stops and can be resumed');

/** The model that is audited, behind one server or several of the same. */
export const servedModel = z.strictObject({
  endpoint: z
    .union([address, z.array(z.strictObject({ address, weight: z.number().positive().default(1) })).min(1)], {
      error: 'expected an address as in http://127.0.0.1:8000/v1, or a list of { address, weight }',
    })
    .describe('One address, or several that serve the same model, with their shares of the requests'),
  base: z.string().min(1).describe('The untouched model’s name there'),
  adapters: z
    .record(z.string(), z.string().min(1))
    .default({})
    .describe('By arm: a model’s name there, or a LoRA folder that the server can read and loads'),
  weights: modelPath
    .optional()
    .describe(
      'The base’s weights on this machine: arms are trained on them, and their chat template writes the prompts of completions',
    ),
  enableThinking: z
    .boolean()
    .nullable()
    .default(null)
    .describe('Whether a thinking model is asked to think aloud; null: as its chat template has it'),
  ...connection,
  timeoutSeconds: connection.timeoutSeconds.default(300),
  concurrency: connection.concurrency.default(32).describe('Most requests under way at once'),
  budget: budget.optional(),
});

/** The audited model behind a server, as the config has it. */
export type ServedModel = z.output<typeof servedModel>;
