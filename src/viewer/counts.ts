import { plainRows } from '../arm-summary.ts';
import { isHeadline, isRefused, isUnsafe } from '../metrics.ts';
import { createOutcomeTable } from '../outcome-table.ts';
import {
  addVerdict,
  generationFacts,
  type Row,
  type SuiteJudge,
  tally,
  type VerdictFacts,
} from '../outcomes.ts';
import { rateOf } from '../rate.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import { conditionName } from '../report/conditions.ts';
import type { SettingDocument } from '../setting.ts';
import type { SuiteKind } from '../suite.ts';
import type { RunningRate } from './live-run.ts';

/** Answers and verdicts counted as they come. */
export interface Counts {
  answer(record: ItemRecord): void;
  verdict(record: VerdictRecord): void;
  answered(arm: string, suite: SuiteKind): number;
  /** By all judges of the suite together. */
  judged(arm: string, suite: SuiteKind): number;
  /** Over what is judged so far; none without a plan. */
  rates(arms: readonly string[]): RunningRate[];
}

/** `setting`: the plan, null where it is not known. Where something stands twice, the later one counts, once. */
export function createCounts(setting: SettingDocument | null): Counts {
  const table = createOutcomeTable();
  for (const suite of setting?.suites ?? []) table.plan(suite.kind, suite.items);
  const judges = new Map<string, SuiteJudge>();
  const answered = new Map<string, number>();
  const judged = new Map<string, number>();
  const add = (counts: Map<string, number>, { arm, suite }: { arm: string; suite: SuiteKind }) =>
    counts.set(keyOf(arm, suite), (counts.get(keyOf(arm, suite)) ?? 0) + 1);
  return {
    answer: (record) => {
      if (table.addGeneration(record, generationFacts(record)) !== 'replaced') add(answered, record);
    },
    verdict: (record) => {
      const { suite, judge: name, judgeFingerprint: fingerprint } = record;
      judges.set(JSON.stringify([suite, name, fingerprint]), { suite, name, version: '', fingerprint });
      if (addVerdict(table, record) !== 'replaced') add(judged, record);
    },
    answered: (arm, suite) => answered.get(keyOf(arm, suite)) ?? 0,
    judged: (arm, suite) => judged.get(keyOf(arm, suite)) ?? 0,
    rates: (arms) => {
      const rowsOf = plainRows(table.rowsOf);
      return [...judges.values()].flatMap((judge) =>
        arms.flatMap((arm) => ratesOf(arm, judge, (own) => rowsOf(arm, own).map(judgedOnly))),
      );
    },
  };
}

const keyOf = (arm: string, suite: SuiteKind) => `${suite}\u0000${arm}`;

/** What has a verdict: what has none yet is not unscored. */
const judgedOnly = <K extends SuiteKind>(row: Row<K>): Row<K> => ({
  ...row,
  completions: row.completions.filter(({ verdict }) => verdict !== null),
});

type Read = <K extends SuiteKind>(judge: SuiteJudge & { readonly suite: K }) => Row<K>[];

function ratesOf(arm: string, judge: SuiteJudge, rows: Read): RunningRate[] {
  const rate = <K extends SuiteKind>(
    measure: string,
    own: readonly Row<K>[],
    read: (verdict: VerdictFacts<K>) => boolean | null,
  ): RunningRate[] => {
    const { positive, scored, unscored, rate: value, ci95 } = rateOf(tally(own, read));
    if (scored + unscored === 0) return [];
    const { suite, name } = judge;
    return [{ suite, measure, arm, judge: name, positive, scored, unscored, rate: value, ci95 }];
  };
  switch (judge.suite) {
    case 'harm':
      return rate('attack success rate', rows({ ...judge, suite: 'harm' }).filter(isHeadline), isUnsafe);
    case 'over-refusal':
      return rate('over-refusal', rows({ ...judge, suite: 'over-refusal' }), isRefused);
    case 'utility':
      return rate('utility', rows({ ...judge, suite: 'utility' }), ({ label }) =>
        label === 'unscored' ? null : label === 'correct',
      );
    case 'drift': {
      const all = rows({ ...judge, suite: 'drift' });
      const conditions = [...new Set(all.map(({ item }) => item.condition))];
      return conditions.flatMap((condition) =>
        rate(
          `accuracy, ${conditionName(condition)}`,
          all.filter(({ item }) => item.condition === condition),
          ({ label }) => label === 'correct',
        ),
      );
    }
    default:
      return [];
  }
}
