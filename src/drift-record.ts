import { z } from 'zod';
import { interval } from './rate-record.ts';

/** What records say of knowledge beyond accuracy and adoption: known subsets, and how sampled answers spread. */

/** Answers to questions that were known under the base prompt; flips as in the whole. */
export const knownSubset = z.object({
  n: z.int(),
  accuracy: z.number().nullable(),
  accuracyCi95: interval,
  adoption: z.number().nullable(),
  adoptionCi95: interval,
  correctToWrong: z.int(),
  wrongToCorrect: z.int(),
});
export type KnownSubset = z.infer<typeof knownSubset>;

/** Which of its question's meanings a sampled answer has, numbered from 0 in the order they came up. */
export const clusterWord = {
  label: z.enum(['clustered', 'unscored']),
  reason: z.enum(['judge_parse']).nullable(),
  cluster: z.int().min(0).nullable(),
  method: z.enum(['entailment', 'normalised']),
};

/** Entropy, in nats, over the meanings of sampled answers. */
export const answerSpread = z.object({
  samples: z.int(),
  /** Questions with an entropy. */
  n: z.int(),
  /** Questions without one: a sample is missing, or the judge's word on a pair could not be read. */
  unscored: z.int(),
  mean: z.number().nullable(),
  /** Of −entropy for the correctness of the suite's own first answer. */
  auroc: z.number().nullable(),
  aurocCi95: interval,
});
export type AnswerSpread = z.infer<typeof answerSpread>;
