import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { plural } from '../format.ts';
import { itemRecord, suiteKind, verdictRecord } from '../record.ts';
import { readDocument } from '../store.ts';
import type { SuiteKind } from '../suite.ts';
import { tail, textsOf } from '../tail.ts';
import { type Counts, createCounts, type Planned } from './counts.ts';

/** What the journals of a run hold by now. */
export interface Outcomes {
  readonly counts: Counts;
  /** How many prompts are planned; none where the run has not written it yet. */
  readonly suites: readonly { readonly kind: SuiteKind; readonly items: number }[];
  /** Whether anything is new since the last look. */
  readonly changed: boolean;
  /** How much of the journals was read by now, 0 to 1. */
  readonly read: number;
  readonly damage: readonly string[];
}

/** A long journal that was not read yet is read on in the next look. */
const mostMs = 100;

/** Of setting.json, what answers are counted by; its prompts are not kept. */
const plan = z.object({
  schema: z.literal('aftertune/setting@1'),
  suites: z.array(
    z.object({
      kind: suiteKind,
      items: z.array(
        z.object({
          ...{ id: z.string(), condition: z.string() },
          ...{ functionalCategory: z.string().nullable(), semanticCategory: z.string().nullable() },
          prefillTokens: z.int().exactOptional(),
          variation: z.object({ template: z.int(), seed: z.int() }).exactOptional(),
        }),
      ),
    }),
  ),
});

const answer = itemRecord.pick({
  ...{ schema: true, arm: true, suite: true, id: true, condition: true, repeat: true },
});

/** Every call reads what the journals have more than at the last. */
export function followOutcomes(directory: string): () => Outcomes {
  let suites: readonly Planned[] | null = null;
  let reading = begin(directory, []);
  return () => {
    if (!suites) {
      suites = readPlan(directory);
      if (suites) reading = begin(directory, suites);
    }
    let changed = reading.fresh;
    reading.fresh = false;
    const until = performance.now() + mostMs;
    do {
      const { moved, restarted } = reading.readOn();
      // Resuming rewrites a journal to drop half a batch: both are counted anew.
      if (restarted) reading = begin(directory, suites ?? []);
      else if (!moved) break;
      changed = true;
    } while (performance.now() < until);
    const { counts, sizes, read, damage } = reading;
    return { counts, suites: sizes, changed, read: read(), damage: damage() };
  };
}

function begin(directory: string, suites: readonly Planned[]) {
  const counts = createCounts(suites);
  const items = journal(join(directory, 'items.jsonl'), answer, counts.answer);
  const verdicts = journal(join(directory, 'verdicts.jsonl'), verdictRecord, counts.verdict);
  const both = [items, verdicts];
  return {
    counts,
    sizes: suites.map(({ kind, items: { length } }) => ({ kind, items: length })),
    fresh: true,
    readOn: () => {
      const reads = both.map(({ readOn }) => readOn());
      return { moved: reads.some(({ moved }) => moved), restarted: reads.some((read) => read.restarted) };
    },
    read: () => {
      const [done, left] = [
        both.reduce((sum, own) => sum + own.done, 0),
        both.reduce((sum, own) => sum + own.left, 0),
      ];
      return left === 0 ? 1 : done / (done + left);
    },
    damage: () => both.flatMap((own) => own.damage()),
  };
}

/** A journal whose records are told to `add`, and what of it could not be read. */
function journal<T>(path: string, schema: z.ZodType<T>, add: (record: T) => void) {
  const lines = tail(path);
  const name = basename(path);
  let [damaged, skipped] = [0, 0];
  const own = {
    done: 0,
    /** Bytes of whole lines that are still to be read. */
    left: 0,
    readOn: () => {
      const read = lines.read();
      for (const line of textsOf(read.whole)) {
        const record = parseOrNull(line, schema);
        if (record) add(record);
        else damaged++;
      }
      skipped += read.skipped;
      own.done = read.done;
      // Where nothing moved, what is left is a torn line.
      own.left = read.moved ? read.left : 0;
      return read;
    },
    damage: () => [
      ...(damaged > 0 ? [`${name}: ${plural(damaged, 'line')} that cannot be read, left out here`] : []),
      ...(skipped > 0 ? [`${name}: ${plural(skipped, 'line')} over 8 MiB, left out here`] : []),
    ],
  };
  return own;
}

/** One line of JSON as its record; null where it is damaged. */
export function parseOrNull<T>(line: string, schema: z.ZodType<T>): T | null {
  try {
    return schema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

function readPlan(directory: string): Planned[] | null {
  const path = join(directory, 'setting.json');
  if (!existsSync(path)) return null;
  try {
    return readDocument(path, plan).suites;
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}
