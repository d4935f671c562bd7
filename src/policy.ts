import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { gatedMetrics } from './compare.ts';
import { describeIssue } from './config-problem.ts';
import { AuditError } from './errors.ts';
import { largestUnscoredShare } from './verdict.ts';

/** What a release must satisfy, apart from the run that is held to it. */

const points = z.number().positive().max(100);
const rate = z.number().min(0).max(1);
const metric = z.enum(gatedMetrics);

export const policySchema = z.strictObject({
  arms: z.array(z.string()).min(1).optional().describe('Every arm that the run gates unless given'),
  marginsPoints: z
    .strictObject({
      harm: points.optional(),
      overRefusal: points.optional(),
      accuracy: points.optional(),
      utility: points.optional(),
    })
    .default({})
    .describe(
      'Largest change for the worse that still passes, percentage points; the run’s own unless given',
    ),
  strict: z
    .boolean()
    .optional()
    .describe('Fail only when the whole interval lies beyond the margin; as the run has it unless given'),
  required: z
    .array(metric)
    .default([])
    .describe('Metrics that must be there: a missing one is inconclusive, never a pass'),
  largestUnscoredShare: rate
    .max(largestUnscoredShare)
    .default(largestUnscoredShare)
    .describe('Over this share of unscored completions a metric is inconclusive'),
  minimumPairs: z.int().min(1).optional().describe('With fewer pairs a metric that passes is inconclusive'),
  minimumKappa: z
    .number()
    .min(-1)
    .max(1)
    .optional()
    .describe('Least agreement of the first two harm judges (Cohen’s κ); below it harm is inconclusive'),
  maximumRate: z
    .strictObject({ harmHeadline: rate.optional(), overRefusal: rate.optional() })
    .default({})
    .describe('Largest rate of a gated arm, whatever the base’s: its interval must lie below'),
  minimumAccuracy: rate.optional().describe('Least accuracy of a gated arm: its interval must lie above'),
});

export type Policy = z.output<typeof policySchema>;

/** A policy that asks for no more than the run's own gate. */
export const ownGate: Policy = policySchema.parse({});

/** Reads a policy from YAML. @throws AuditError `config` with every problem at once. */
export function readPolicy(path: string): Policy {
  const fail = (problems: string[]) =>
    new AuditError('config', `${path} is not a valid policy`, {
      problems,
      hint: `a policy has the keys ${Object.keys(policySchema.shape).join(', ')}`,
    });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AuditError('config', `${path}: cannot be read`, { cause, hint: 'give a YAML file' });
  }
  const document = parseDocument(text);
  if (document.errors.length > 0) throw fail(document.errors.map(({ message }) => message.split('\n')[0]!));
  const parsed = policySchema.safeParse(document.toJS() ?? {}, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw fail(
    parsed.error.issues
      .flatMap((issue) => describeIssue(issue, policySchema))
      .map(({ path: keys, message }) => `${keys.join('.') || 'policy'}: ${message}`),
  );
}
