import { z } from 'zod';
import { clusterWord, driftSummary } from './drift-record.ts';
import {
  pairedMargin,
  pairedSeverity,
  refusalMargin,
  refusalTokens,
  severityLevel,
  varianceBudget,
} from './harm-record.ts';
import { interval, paired, share, test } from './rate-record.ts';
import { pairedUtility, utilitySummary, utilityWord } from './utility-record.ts';

export { type DriftSummary, driftSummary, type UncertaintySplit, uncertaintySplit } from './drift-record.ts';

/** The documents of a run folder. The schemas are the contract: `schemas/*.json` is generated from them. */

export const suiteKind = z.enum(['harm', 'over-refusal', 'drift', 'semantic-entropy', 'utility']);
const finishReason = z.enum(['stop', 'length', 'content_filter']);

/** SHA-256 of the planned batch that made the line (model or judge, prompts, decoding, seeds, repeats): what resuming looks up. */
const batchKey = z.string();

/** Per-token uncertainty of one answer, natural logarithm; null for an answer without tokens. */
export const uncertainty = z.object({ perplexity: z.number(), entropy: z.number(), probability: z.number() });
export type Uncertainty = z.infer<typeof uncertainty>;

/** One generation: a line of items.jsonl. */
export const itemRecord = z.object({
  schema: z.literal('aftertune/item@1'),
  arm: z.string(),
  suite: suiteKind,
  id: z.string(),
  condition: z.string(),
  repeat: z.int().min(0),
  batchKey,
  promptSha256: z.string(),
  /** Null, as the next three below, where another tool's record that was imported does not say. */
  promptTokens: z.int().min(0).nullable(),
  /** What the answer was made to begin with: `completion` goes on from there. Left out where it began by itself. */
  prefill: z.string().optional(),
  /** The answer, without thinking. */
  completion: z.string(),
  /** Why there is no answer, after every attempt: `completion` is empty, and the item unscored. Left out where there is one. */
  failure: z.string().optional(),
  /** What the model thought aloud before its answer (`<think>…</think>`), without tags; left out where it did not. */
  thinking: z.string().optional(),
  /** How many of the first tokens are thinking and no part of the answer; with `thinking`. */
  thinkingTokens: z.int().min(0).optional(),
  /** ln p of each sampled token, 4 decimals, the end-of-turn token included where there is one. */
  logProbabilities: z.array(z.number()).nullable(),
  /** UTF-16 units of `completion` per answer token, thinking and the end of the turn apart; left out where that is not known. */
  tokenLengths: z.array(z.int().min(0)).optional(),
  /** Multiple choice, of utility: Σ ln p of every choice in the item's order; `completion` is the likeliest. Nothing was generated. */
  choiceLogProbabilities: z.array(z.number().nullable()).optional(),
  finishReason: finishReason.nullable(),
  uncertainty: uncertainty.nullable(),
  uncertaintyPaper: uncertainty.nullable(),
  /** exp(mean ln p) of the sampled answer tokens, in (0, 1]; null without tokens. */
  confidence: z.number().nullable(),
  /** Mean over the answer's positions of 1 − Σ of the ten largest probabilities. */
  truncatedMass: z.number().nullable(),
  /** Wall time of the batch divided by its size. */
  milliseconds: z.number().nullable(),
});
export type ItemRecord = z.infer<typeof itemRecord>;

/** What else was likely at each position of one generation: a line of top-logprobs.jsonl, kept with `keepTopLogprobs`. */
export const topLogprobsRecord = itemRecord
  .pick({ arm: true, suite: true, id: true, condition: true, repeat: true, batchKey: true })
  .extend({
    schema: z.literal('aftertune/top-logprobs@1'),
    /** Per position, the end-of-turn token's included, the ten largest ln p, descending, 4 decimals. */
    topLogProbabilities: z.array(z.array(z.number())),
  });
export type TopLogprobsRecord = z.infer<typeof topLogprobsRecord>;

const unscoredReason = z.enum(['judge_parse', 'judge_error', 'empty', 'content_filter']);
const verdictKey = {
  schema: z.literal('aftertune/verdict@1'),
  arm: z.string(),
  id: z.string(),
  condition: z.string(),
  repeat: z.int().min(0),
  batchKey,
  judge: z.string(),
  judgeFingerprint: z.string(),
};

const harmWord = {
  label: z.enum(['safe', 'unsafe', 'unscored']),
  reason: unscoredReason.nullable(),
  category: z.string().nullable(),
  detail: z.string().nullable(),
  probabilityUnsafe: z.number().nullable(),
  /** How grave, in [0, 1]; left out where the judge does not grade. */
  severity: z.number().min(0).max(1).optional(),
};

/** One judge's word on one generation: a line of verdicts.jsonl. */
export const verdictRecord = z.discriminatedUnion('suite', [
  z.object({
    ...verdictKey,
    suite: z.literal('harm'),
    ...harmWord,
    /** The same judge's word on thinking and answer together; left out where the model did not think aloud. */
    withThinking: z.object(harmWord).optional(),
  }),
  z.object({
    ...verdictKey,
    suite: z.literal('over-refusal'),
    label: z.enum(['direct_answer', 'direct_refusal', 'indirect_refusal', 'unscored']),
    reason: unscoredReason.nullable(),
  }),
  z.object({
    ...verdictKey,
    suite: z.literal('drift'),
    label: z.enum(['correct', 'incorrect']),
    /** Null where the question has no wrong answer to adopt; so in `paper`. */
    adopted: z.boolean().nullable(),
    exactMatch: z.boolean(),
    tokenF1: z.number(),
    paper: z.object({ correct: z.boolean(), adopted: z.boolean().nullable() }),
  }),
  z.object({ ...verdictKey, suite: z.literal('semantic-entropy'), ...clusterWord }),
  z.object({ ...verdictKey, suite: z.literal('utility'), ...utilityWord }),
]);
export type VerdictRecord = z.infer<typeof verdictRecord>;
export type HarmVerdictRecord = Extract<VerdictRecord, { suite: 'harm' }>;
export type OverRefusalVerdictRecord = Extract<VerdictRecord, { suite: 'over-refusal' }>;
export type DriftVerdictRecord = Extract<VerdictRecord, { suite: 'drift' }>;
export type SemanticEntropyVerdictRecord = Extract<VerdictRecord, { suite: 'semantic-entropy' }>;
export type UtilityVerdictRecord = Extract<VerdictRecord, { suite: 'utility' }>;

export const harmRate = z.object({ unsafe: z.int(), ...share });
export const refusalRate = z.object({ refused: z.int(), ...share });
export type HarmRate = z.infer<typeof harmRate>;
export type RefusalRate = z.infer<typeof refusalRate>;

export const pairedHarm = z.object({ ...paired, safeToUnsafe: z.int(), unsafeToSafe: z.int() });
export const pairedRefusal = z.object({ ...paired, answeredToRefused: z.int(), refusedToAnswered: z.int() });
export const pairedDrift = z.object({
  deltaAccuracyPoints: z.number().nullable(),
  ci95Points: interval,
  gained: z.int(),
  lost: z.int(),
  ...test,
});
export type PairedHarm = z.infer<typeof pairedHarm>;
export type PairedRefusal = z.infer<typeof pairedRefusal>;
export type PairedDrift = z.infer<typeof pairedDrift>;

export const verdict = z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']);
export type Verdict = z.infer<typeof verdict>;

/** FAIL outranks INCONCLUSIVE outranks PASS; nothing checked is INCONCLUSIVE, never PASS. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('FAIL')) return 'FAIL';
  return verdicts.length === 0 || verdicts.includes('INCONCLUSIVE') ? 'INCONCLUSIVE' : 'PASS';
}

const armSummary = z.object({
  /** By the first judge; every judge's own under `judges`. */
  harm: z
    .object({
      all: harmRate,
      headline: harmRate.extend({ excluded: z.int() }),
      byFunctionalCategory: z.record(z.string(), harmRate),
      bySemanticCategory: z.record(z.string(), harmRate),
      judges: z.record(z.string(), harmRate),
      cutOff: z.int(),
      /** Over all rows, thinking judged together with the answer; `thought`: completions with thinking. Left out without any. */
      withThinking: harmRate.extend({ thought: z.int() }).optional(),
      /** Over all rows, in nats; the lower, the less likely a refusal. Left out where it was not measured. */
      refusalMargin: refusalMargin.optional(),
      /** The headline's rows with the answer's first tokens given, by their number; left out without a prefill attack. */
      byPrefill: z.record(z.string(), harmRate).optional(),
      variance: varianceBudget.optional(),
      /** By judge, of those that grade; left out where none does. */
      severity: z.record(z.string(), severityLevel).optional(),
    })
    .optional(),
  overRefusal: refusalRate.extend({ direct: z.int(), indirect: z.int(), cutOff: z.int() }).optional(),
  drift: z.record(z.string(), driftSummary).optional(),
  driftPaper: z.record(z.string(), driftSummary).optional(),
  /** Broken output among the answers of harm and over-refusal; `any` also counts those cut off. Left out where all are whole. */
  coherence: z.object({ completions: z.int(), empty: z.int(), repetitive: z.int(), any: z.int() }).optional(),
  /** Right→wrong under a false context beyond right→wrong under a random one, points, with the count of questions known. */
  flipExcess: z.object({ points: z.number().nullable(), ci95Points: interval, known: z.int() }).optional(),
  utility: utilitySummary.optional(),
  training: z
    .object({
      rows: z.int(),
      steps: z.int(),
      tokens: z.int(),
      labelledTokens: z.int(),
      finalLoss: z.number(),
      /** Of the rows held out, for the adapter that is kept; with evaluation. */
      evaluationLoss: z.number().optional(),
      /** The step whose adapter is kept, where it may not be the last; with early stopping. */
      keptStep: z.int().optional(),
      adapterSha256: z.string(),
      redTeam: z.boolean(),
    })
    .nullable(),
});
export type ArmSummary = z.infer<typeof armSummary>;

const comparison = z.object({
  harm: pairedHarm.optional(),
  harmHeadline: pairedHarm.optional(),
  harmByPrefill: z.record(z.string(), pairedHarm).optional(),
  refusalMargin: pairedMargin.optional(),
  severity: z.record(z.string(), pairedSeverity).optional(),
  overRefusal: pairedRefusal.optional(),
  drift: z.record(z.string(), pairedDrift).optional(),
  utility: pairedUtility.optional(),
  gated: z.boolean(),
  verdicts: z.record(z.string(), verdict),
  /** Items needed for 80 % power to PASS when nothing changed, per gated metric. */
  neededItems: z.record(z.string(), z.int().nullable()),
});
export type Comparison = z.infer<typeof comparison>;

const pairOfJudges = {
  judges: z.tuple([z.string(), z.string()]),
  items: z.int(),
  cohenKappa: z.number().nullable(),
};

/** The result of a run: summary.json, and what `--json` prints. It holds no times and no host facts. */
export const summary = z.object({
  schema: z.literal('aftertune/summary@1'),
  baseArm: z.string(),
  arms: z.record(z.string(), armSummary),
  comparisons: z.record(z.string(), comparison),
  judges: z.array(
    z.object({
      suite: suiteKind,
      name: z.string(),
      version: z.string(),
      fingerprint: z.string(),
      /** What a reader of its verdicts has to know, such as an unverified template. */
      note: z.string().exactOptional(),
    }),
  ),
  agreement: z
    .object({
      ...pairOfJudges,
      /** With more than two judges: every pair, and Krippendorff's α of all (nominal, missing labels allowed). */
      pairs: z.array(z.object(pairOfJudges)).optional(),
      krippendorffAlpha: z.number().nullable().optional(),
      /** Arm → judge → verdict on the headline, of arms whose verdict depends on the judge; left out where none does. */
      verdictsByJudge: z.record(z.string(), z.record(z.string(), verdict)).optional(),
    })
    .nullable(),
  /** What begins a refusal, by the base's answers to prompts that the margin is not measured on. */
  refusalTokens: refusalTokens.optional(),
  gate: z.object({
    verdict,
    exitCode: z.int(),
    strict: z.boolean(),
    marginsPoints: z.object({
      harm: z.number(),
      overRefusal: z.number(),
      accuracy: z.number(),
      /** Absent: utility is not gated. */
      utility: z.number().optional(),
    }),
  }),
  caveats: z.array(z.string()),
  errata: z
    .array(z.object({ where: z.string(), printed: z.number(), computed: z.number(), why: z.string() }))
    .optional(),
  /** What such outcomes are said to show, and whether they do; of replayed outcomes only. */
  claims: z
    .array(
      z.object({
        claim: z.string(),
        outcome: z.enum(['holds', 'holds with another number', 'does not hold', 'not shown']),
        evidence: z.string(),
      }),
    )
    .optional(),
});
export type Summary = z.infer<typeof summary>;

export * from './run-record.ts';
