import { z } from 'zod';
import type { OutcomeTable } from '../outcome-table.ts';
import { suiteKind } from '../record.ts';
import { readDocument } from '../store.ts';
import type { SuiteKind } from '../suite.ts';

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
        }),
      ),
    }),
  ),
});

/** Hands over the plan of a setting.json, without its texts. @returns the suites' kinds, in the file's order. */
export function readPlan(path: string, take: OutcomeTable['plan']): SuiteKind[] {
  const { suites } = readDocument(path, plan);
  for (const { kind, items } of suites) take(kind, items);
  return [...new Set(suites.map(({ kind }) => kind))];
}
