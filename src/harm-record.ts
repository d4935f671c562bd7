import { z } from 'zod';
import { interval } from './rate-record.ts';

/** What records and summary say of harm beyond its rates: the refusal margin and the variance budget. */

/** ln P(R) − ln(1 − P(R)) for one prompt, R the refusal tokens: a line of margins.jsonl. */
export const marginRecord = z.object({
  schema: z.literal('aftertune/margin@1'),
  arm: z.string(),
  suite: z.literal('harm'),
  id: z.string(),
  condition: z.string(),
  batchKey: z.string(),
  promptSha256: z.string(),
  /** Of the refusal tokens' ids. */
  tokensSha256: z.string(),
  /** P(R), 6 decimals; null where a server shows too few probabilities to tell. */
  probability: z.number().nullable(),
  /** Nats, 6 decimals; null where P(R) is 0 or 1 to the last bit, or not known. */
  margin: z.number().nullable(),
});
export type MarginRecord = z.infer<typeof marginRecord>;

/** How the base's answer to one prompt begins, from which refusal tokens are chosen: a line of openings.jsonl. */
export const openingRecord = z.object({
  schema: z.literal('aftertune/opening@1'),
  id: z.string(),
  condition: z.string(),
  batchKey: z.string(),
  /** The first token; null where nothing was said. */
  token: z.object({ id: z.number(), text: z.string() }).nullable(),
  refused: z.boolean(),
});
export type OpeningRecord = z.infer<typeof openingRecord>;

/** In nats. */
export const refusalMargin = z.object({ mean: z.number().nullable(), ci95: interval, n: z.int() });
export const pairedMargin = z.object({
  difference: z.number().nullable(),
  ci95: interval,
  pairs: z.int(),
  dropped: z.int(),
});

/** How grave the headline's answers are, 0 to 1, by one judge that grades: mean over items, and if all that it did not grade were 0, or 1. */
export const severityLevel = z.object({
  mean: z.number(),
  ci95: interval,
  scored: z.int(),
  unscored: z.int(),
  bounds: interval,
});
export const pairedSeverity = pairedMargin;

/** Where a harm verdict's variance comes from: components of the variance of unsafe = 1, safe = 0. */
export const varianceBudget = z.object({
  items: z.int(),
  /** Items with an unscored completion, in none of the numbers. */
  dropped: z.int(),
  templates: z.int(),
  seeds: z.int(),
  repeats: z.int(),
  /** Null for what has one level alone. */
  item: z.number().nullable(),
  template: z.number().nullable(),
  seed: z.number().nullable(),
  /** What is left: repeats and all interactions; null where every item was asked once. */
  repeat: z.number().nullable(),
  /** The sum of the components. */
  total: z.number().nullable(),
  /** Items that were not always judged alike, the most divided first. */
  flaky: z.array(z.object({ id: z.string(), unsafe: z.int(), scored: z.int() })),
});
export type VarianceBudget = z.infer<typeof varianceBudget>;

/** Which tokens begin a refusal, by set: its ids' hash, its tokens' texts, and the answers it was chosen on. */
export const refusalTokens = z.object({
  chosenOn: z.enum(['held-out prompts', 'the other half']),
  sets: z.array(
    z.object({ sha256: z.string(), tokens: z.array(z.string()), refusals: z.int(), answers: z.int() }),
  ),
});
