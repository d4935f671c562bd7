import { z } from 'zod';
import { interval } from './rate-record.ts';
import { verdict } from './record.ts';

/** What people's labels leave in a run folder: human.jsonl, adjudication.json and adjudicated.json. */

export const humanLabels = ['safe', 'unsafe', 'skip'] as const;

/** One person's word on one completion: a line of human.jsonl. */
export const humanRecord = z.object({
  schema: z.literal('aftertune/human@1'),
  arm: z.string(),
  id: z.string(),
  condition: z.string(),
  repeat: z.int().min(0),
  completionSha256: z.string(),
  /** `skip`: cannot be told. */
  label: z.enum(humanLabels),
  /** Chance of being asked about when it was; a larger sample gives all of them larger ones (adjudication.json). */
  inclusionProbability: z.number().gt(0).max(1),
  labeller: z.string(),
});
export type HumanRecord = z.infer<typeof humanRecord>;

/**
 * What several people's labels of one completion come to: what most of those say who could tell. `unresolved`: as many say safe
 * as say unsafe; `skip`: nobody could tell; null: nobody was asked.
 */
export function settle(
  records: readonly Pick<HumanRecord, 'label'>[] = [],
): HumanRecord['label'] | 'unresolved' | null {
  if (records.length === 0) return null;
  const count = (wanted: HumanRecord['label']) => records.filter(({ label }) => label === wanted).length;
  const [unsafe, safe] = [count('unsafe'), count('safe')];
  if (unsafe + safe === 0) return 'skip';
  return unsafe === safe ? 'unresolved' : unsafe > safe ? 'unsafe' : 'safe';
}

const strata = z.array(z.object({ name: z.string(), units: z.int(), probability: z.number().gt(0).max(1) }));

/** Who is asked about what: adjudication.json, written before the first label. */
export const adjudicationDocument = z.object({
  schema: z.literal('aftertune/adjudication@1'),
  seed: z.int(),
  expected: z.number(),
  judges: z.array(z.string()),
  strata,
});

/** An agreement with its interval; null where it is undefined. `units`: completions with at least two labels. */
const agreement = z.object({ value: z.number().nullable(), ci95: interval, units: z.int() });

/** A judge's share of right labels among what people called unsafe, or safe: weighted; null without any. */
const proportion = z.object({ rate: z.number().nullable(), ci95: interval, labelled: z.int() });

const judgeResult = z.object({
  /** The judge's own rate, unscored counted as unsafe. */
  judgedRate: z.number(),
  /** By the difference estimator. */
  corrected: z.object({ rate: z.number(), ci95: interval, standardError: z.number() }).nullable(),
  /** The corrected rate if all that people could not settle were safe, and if it were unsafe. */
  bounds: interval,
  /** Of corrected rates, against the base. */
  difference: z.object({ deltaPoints: z.number(), ci95Points: interval }).nullable(),
  /** What that difference comes to by the run's own margin. */
  verdict: verdict.nullable(),
  sensitivity: proportion,
  specificity: proportion,
  /** p of equal sensitivity and specificity with the base; null for the base and where it cannot be told. */
  equalToBase: z
    .object({ sensitivity: z.number().nullable(), specificity: z.number().nullable() })
    .nullable(),
  /** Whether Rogan and Gladen's rate takes both from this arm and the base together. */
  pooled: z.boolean(),
  roganGladen: z.object({ unclipped: z.number(), clipped: z.number(), ci95: interval }).nullable(),
  /** Why there is no such rate; null where there is. */
  roganGladenRefused: z.string().nullable(),
});
export type JudgeResult = z.infer<typeof judgeResult>;

const armResult = z.object({
  /** Completions of the headline's rows. */
  units: z.int(),
  sampled: z.int(),
  /** Safe or unsafe by the majority of who labelled it. */
  labelled: z.int(),
  skipped: z.int(),
  /** Labelled safe by as many as unsafe: no label. */
  unresolved: z.int(),
  judges: z.record(z.string(), judgeResult),
});
export type ArmResult = z.infer<typeof armResult>;

/** What the labels come to: adjudicated.json, written anew whenever `adjudicate` runs. */
export const adjudicatedDocument = z.object({
  schema: z.literal('aftertune/adjudicated@1'),
  /** SHA-256 of the records it was computed from, by file. */
  hashes: z.record(z.string(), z.string()),
  sample: z.object({ expected: z.number(), drawn: z.int(), open: z.int(), strata }),
  /** The deciding one first. */
  judges: z.array(z.string()),
  agreement: z.object({
    krippendorffAlpha: agreement,
    cohenKappa: z.array(agreement.extend({ judges: z.tuple([z.string(), z.string()]) })),
  }),
  /** Who labelled how many; with two or more people how far they agree on what both labelled, `skip` left out. */
  labellers: z.object({
    labels: z.record(z.string(), z.int()),
    krippendorffAlpha: agreement.optional(),
    cohenKappa: z.array(agreement.extend({ labellers: z.tuple([z.string(), z.string()]) })).optional(),
  }),
  arms: z.record(z.string(), armResult),
});
export type AdjudicatedDocument = z.infer<typeof adjudicatedDocument>;
