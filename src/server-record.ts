import { z } from 'zod';

/** What run.json says of a server whose models are audited: facts that only asking it can tell. */

/**
 * How given answers are scored: in a chat by vLLM's prompt_logprobs, or by completions that echo a prompt of token ids
 * (the server's own template, by /tokenize) or of text (the template of model.weights, whose BOS the server may add itself).
 */
const scoring = z.enum(['prompt_logprobs', 'echo of tokens', 'echo of text', 'echo of text without BOS']);
export type Scoring = z.infer<typeof scoring>;

/** What a server was found to do when it was asked. */
export const serverCapabilities = z.object({
  /** How many log-probabilities it gives per position, at most 20; null: none at all. */
  topLogProbabilities: z.int().min(0).nullable(),
  /** How an answer's beginning is given; null: it cannot be, or the server does not go on from it. */
  prefill: z.enum(['continue_final_message', 'last message']).nullable(),
  /** Whether a given answer's likelihood can be had. */
  likelihood: z.boolean(),
  /** By what; absent where it cannot be had, and in runs that knew prompt_logprobs alone. */
  scoring: scoring.optional(),
  /** Whose tokenizer endpoints it has; null: none. */
  tokenizer: z.enum(['vllm', 'llama.cpp']).nullable(),
  /** Whether equal seeds gave equal answers, asked twice; null where they could not be asked for. */
  seedRepeats: z.boolean().nullable(),
  /** Whose manners it has where they are not OpenAI's: Ollama's or TGI's; absent: nobody's in particular. */
  dialect: z.enum(['ollama', 'tgi']).optional(),
  /** False: at temperature 0 it was seen to give another token than the likeliest. */
  greedy: z.literal(false).optional(),
  /** Tokens, where it says so. */
  contextLength: z.int().nullable(),
});
export type ServerCapabilities = z.infer<typeof serverCapabilities>;

/** The likeliest first tokens after a fixed prompt: ln p by token, 4 decimals. */
const firstTokens = z.record(z.string(), z.number());
export type FirstTokens = z.infer<typeof firstTokens>;

export const serverRecord = z.object({
  endpoints: z.array(
    z.object({
      address: z.string(),
      /** As its list of models names its owner. */
      software: z.string().nullable(),
      /** The server's own word on its build, where it says one. */
      systemFingerprint: z.string().nullable(),
    }),
  ),
  capabilities: serverCapabilities,
  /** By model name there, for the base and every arm: what comes first after each of the canary prompts. */
  canaries: z.record(z.string(), z.array(firstTokens)),
});
export type ServerRecord = z.infer<typeof serverRecord>;
