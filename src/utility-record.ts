import { z } from 'zod';
import { interval, paired, share } from './rate-record.ts';

/** What records say of utility. */

/** One answer's worth; the three ways of choosing by likelihood are null for short answers, `exactMatch` for multiple choice. */
export const utilityWord = {
  label: z.enum(['correct', 'incorrect', 'unscored']),
  reason: z.enum(['missing_logprobs']).nullable(),
  /** Right by Σ ln p over the choice's characters, and over its UTF-8 bytes. */
  perCharacter: z.boolean().nullable(),
  perByte: z.boolean().nullable(),
  /** Whether another choice is just as likely: the first of them counts as chosen. */
  tied: z.boolean().nullable(),
  exactMatch: z.boolean().nullable(),
};

export const utilityRate = z.object({ correct: z.int(), ...share });
export type UtilityRate = z.infer<typeof utilityRate>;

/** What a model can still do. */
export const utilitySummary = z.object({
  all: utilityRate,
  /** `rate` is lm-evaluation-harness's acc. */
  multipleChoice: utilityRate
    .extend({
      /** By Σ ln p per character: lm-evaluation-harness's acc_norm. */
      accNorm: z.number().nullable(),
      accNormCi95: interval,
      /** By Σ ln p per UTF-8 byte: its acc_bytes. */
      accBytes: z.number().nullable(),
      /** What guessing would get: the mean share of right choices. */
      chance: z.number().nullable(),
      /** Questions whose likeliest choice is not the only one. */
      tied: z.int(),
    })
    .optional(),
  shortAnswer: utilityRate
    .extend({ exactMatch: z.number().nullable(), empty: z.int(), cutOff: z.int() })
    .optional(),
});
export type UtilitySummary = z.infer<typeof utilitySummary>;

export const pairedUtility = z.object({ ...paired, gained: z.int(), lost: z.int() });
export type PairedUtility = z.infer<typeof pairedUtility>;
