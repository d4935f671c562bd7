import { z } from 'zod';
import type { OutcomeTable } from '../outcome-table.ts';
import type { PlannedSuite } from '../outcomes.ts';
import { suiteKind } from '../record.ts';
import { readDocument } from '../store.ts';

const plan = z.object({
  suites: z.array(
    z.object({
      kind: suiteKind,
      items: z.array(
        z.object({
          id: z.string(),
          condition: z.string(),
          functionalCategory: z.string().nullable(),
          semanticCategory: z.string().nullable(),
          prefillTokens: z.int().exactOptional(),
          contextRepeats: z.int().exactOptional(),
          key: z
            .object({ choices: z.array(z.string()).nullable(), gold: z.array(z.string()) })
            .exactOptional(),
          variation: z.object({ template: z.int(), seed: z.int() }).exactOptional(),
        }),
      ),
      variance: z.object({ templates: z.array(z.string()), seeds: z.array(z.int()) }).exactOptional(),
    }),
  ),
});

/** Hands over the plan of a setting.json, without its texts. @returns the suites without their items, in the file's order. */
export function readPlan(path: string, take: OutcomeTable['plan']): PlannedSuite[] {
  const { suites } = readDocument(path, plan);
  for (const { kind, items } of suites) take(kind, items);
  return suites.map((suite) => ({ ...suite, items: [] }));
}
