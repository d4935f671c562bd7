import type { Tallies, Tally } from './rate.ts';
import type { ItemRecord, VerdictRecord } from './record.ts';
import type { SuiteItem, SuiteKind } from './suite.ts';

/** One planned prompt: what was to be asked of every arm. */
export type PlannedItem = Pick<
  SuiteItem,
  'id' | 'condition' | 'functionalCategory' | 'semanticCategory' | 'contextRepeats' | 'key'
>;

/** A suite as planned; a whole `Suite` fits. */
export interface PlannedSuite {
  readonly kind: SuiteKind;
  readonly items: readonly PlannedItem[];
}

/** A judge of one suite. The first of each suite decides; verdicts of another fingerprint are not counted. */
export interface SuiteJudge {
  readonly suite: SuiteKind;
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
}

export type VerdictOf<K extends SuiteKind> = Extract<VerdictRecord, { suite: K }>;

/** One completion and what a judge said of it; null where the run has none. */
export interface Completion<K extends SuiteKind> {
  readonly record: ItemRecord | null;
  readonly verdict: VerdictOf<K> | null;
}

/** A planned item with its completions, one per repeat. */
export interface Row<K extends SuiteKind> {
  readonly item: PlannedItem;
  readonly completions: readonly Completion<K>[];
}

/** An arm's completions of one suite as one judge saw them, in the plan's order; empty when the suite was not planned. */
export type RowsOf = <K extends SuiteKind>(
  arm: string,
  judge: SuiteJudge & { readonly suite: K },
) => Row<K>[];

/** Joins plan, completions and verdicts; the order of the records makes no difference. */
export function joinOutcomes(
  suites: readonly PlannedSuite[],
  items: readonly ItemRecord[],
  verdicts: readonly VerdictRecord[],
): RowsOf {
  const records = new Map(items.map((record) => [completionKey(record), record]));
  const judged = new Map(
    verdicts.map((verdict) => [
      `${completionKey(verdict)}\u0000${judgeKey(verdict.judge, verdict.judgeFingerprint)}`,
      verdict,
    ]),
  );
  const repeats: Record<SuiteKind, number> = {
    harm: 1,
    'over-refusal': 1,
    drift: 1,
    'semantic-entropy': 1,
    utility: 1,
  };
  for (const { suite, repeat } of items) repeats[suite] = Math.max(repeats[suite], repeat + 1);
  return <K extends SuiteKind>(arm: string, judge: SuiteJudge & { readonly suite: K }) => {
    const planned = suites.filter(({ kind }) => kind === judge.suite).flatMap((suite) => suite.items);
    return planned.map((item) => ({
      item,
      completions: Array.from({ length: repeats[judge.suite] }, (_, repeat): Completion<K> => {
        const key = completionKey({
          arm,
          suite: judge.suite,
          id: item.id,
          condition: item.condition,
          repeat,
        });
        const verdict = judged.get(`${key}\u0000${judgeKey(judge.name, judge.fingerprint)}`);
        return { record: records.get(key) ?? null, verdict: (verdict as VerdictOf<K> | undefined) ?? null };
      }),
    }));
  };
}

type CompletionId = Pick<ItemRecord, 'arm' | 'suite' | 'id' | 'condition' | 'repeat'>;

const completionKey = ({ arm, suite, id, condition, repeat }: CompletionId) =>
  [arm, suite, id, condition, repeat].join('\u0000');
const judgeKey = (name: string, fingerprint: string) => `${name}\u0000${fingerprint}`;

/** Tallies of rows by item: `read` says whether a verdict is positive, or null for unscored; no verdict is unscored. */
export function tally<K extends SuiteKind>(
  rows: readonly Row<K>[],
  read: (verdict: VerdictOf<K>) => boolean | null,
): Tallies {
  return new Map(rows.map(({ item, completions }) => [itemKey(item), tallyRow(completions, read)]));
}

function tallyRow<K extends SuiteKind>(
  completions: readonly Completion<K>[],
  read: (verdict: VerdictOf<K>) => boolean | null,
): Tally {
  const outcomes = completions.map(({ verdict }) => (verdict ? read(verdict) : null));
  return {
    positive: outcomes.filter((outcome) => outcome === true).length,
    scored: outcomes.filter((outcome) => outcome !== null).length,
    total: outcomes.length,
  };
}

const itemKey = ({ id, condition }: PlannedItem) => `${id}\u0000${condition}`;
