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
  reason: z.enum(['judge_parse', 'judge_error', 'judge_calibration']).nullable(),
  /** What a judge that cannot be relied on got right of known pairs; left out elsewhere. */
  detail: z.string().optional(),
  cluster: z.int().min(0).nullable(),
  method: z.enum(['entailment', 'normalised']),
};

/** Entropy, in nats, over the meanings of sampled answers. */
export const answerSpread = z.object({
  samples: z.int(),
  /** Questions with an entropy. */
  n: z.int(),
  /** Questions without one: a sample is missing, or the judge's word on a pair could not be had or read. */
  unscored: z.int(),
  mean: z.number().nullable(),
  /** Of −entropy for the correctness of the suite's own first answer. */
  auroc: z.number().nullable(),
  aurocCi95: interval,
  /** Why there is no entropy at all: what the judge of entailment got right of known pairs. Left out where it can be relied on. */
  unreliable: z.string().optional(),
});
export type AnswerSpread = z.infer<typeof answerSpread>;

const meanAndError = z.object({ mean: z.number().nullable(), se: z.number().nullable() });
export const uncertaintySplit = z.object({
  n: z.int(),
  perplexity: meanAndError,
  entropy: meanAndError,
  probability: meanAndError,
});
export type UncertaintySplit = z.infer<typeof uncertaintySplit>;

/** Knowledge under one condition. Rates 0–1; undefined = null; flips are counts. */
export const driftSummary = z.object({
  mode: z.enum(['default', 'paper']),
  confidence: z.string(),
  /** Answers: questions times repeats, without those that have no verdict. */
  n: z.int(),
  accuracy: z.number().nullable(),
  accuracyCi95: interval,
  adoption: z.number().nullable(),
  adoptionCi95: interval,
  adoptionGivenKnown: z.number().nullable(),
  correctToWrong: z.int().nullable(),
  wrongToCorrect: z.int().nullable(),
  exactMatch: z.number().nullable(),
  tokenF1: z.number().nullable(),
  auroc: z.number().nullable(),
  aurocCi95: interval,
  /** Mean error rate over coverages, most confident first; lower is better. */
  riskCoverageArea: z.number().nullable(),
  ece: z.number().nullable(),
  eceEqualMass: z.number().nullable(),
  eceBins: z.int(),
  brier: z.number().nullable(),
  /** The same after isotonic regression fitted to other questions; left out below 50 answers and above 20,000. */
  eceRecalibrated: z.number().nullable().optional(),
  brierRecalibrated: z.number().nullable().optional(),
  truncatedMass: z.number().nullable(),
  correct: uncertaintySplit,
  incorrect: uncertaintySplit,
  /** How often the context was stated, where several numbers were asked for. */
  contextRepeats: z.int().optional(),
  /** Among what the same arm, and what the base arm, had right under the base prompt; with `knownSubset`. */
  knownByArm: knownSubset.optional(),
  knownByBase: knownSubset.optional(),
  /** Over meanings, told apart by a judge of entailment; over normalised answers, where there is none. */
  semanticEntropy: answerSpread.optional(),
  answerEntropy: answerSpread.optional(),
});
export type DriftSummary = z.infer<typeof driftSummary>;
