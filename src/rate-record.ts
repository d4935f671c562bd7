import { z } from 'zod';

/** What every rate and every paired test of a summary says, whatever it counts. */

export const interval = z.tuple([z.number(), z.number()]).nullable();

/** Counts are completions; with several repeats the rate is the mean of the items' shares, and the last two fields are there. */
export const share = {
  scored: z.int(),
  unscored: z.int(),
  rate: z.number().nullable(),
  ci95: interval,
  bounds: interval,
  repeats: z.int().optional(),
  /** Share of items with at least one such completion among their repeats. */
  worstOfRepeats: z.number().nullable().optional(),
};

/** With several repeats `mcnemarP` is null, `signFlipP` is there, and gains and losses are items whose share rose or fell. */
export const test = {
  mcnemarP: z.number().nullable(),
  signFlipP: z.number().nullable().optional(),
  /** Holm-adjusted over all gated metrics of all arms; null where no verdict rests on it. */
  mcnemarPHolm: z.number().nullable(),
  pairs: z.int(),
  /** Items without a score in one of the two arms. */
  dropped: z.int(),
};
export const paired = { deltaPoints: z.number().nullable(), ci95Points: interval, ...test };
