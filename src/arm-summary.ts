import type { ArmRows } from './compare.ts';
import type { DriftMode } from './drift-answers.ts';
import { driftMetrics, flipExcess } from './drift-metrics.ts';
import { knownSubsets } from './known-subset.ts';
import { type Margins, marginLevel } from './margin-metrics.ts';
import { harmByPrefill, harmMetrics, overRefusalMetrics } from './metrics.ts';
import { isPlain, type Rows, type RowsOf, type SuiteJudge } from './outcomes.ts';
import type { ArmSummary, DriftSummary } from './record.ts';
import { answerSpreads } from './semantic-entropy.ts';
import type { SuiteKind } from './suite.ts';
import type { SummarySetting } from './summarise.ts';
import { utilityMetrics } from './utility-metrics.ts';
import { varianceBudget } from './variance-budget.ts';

/** One arm's outcomes → its part of a summary. */

/** The judges of one suite; the first decides. */
export function judgesOf<K extends SuiteKind>(
  { judges }: Pick<SummarySetting, 'judges'>,
  suite: K,
): (SuiteJudge & { suite: K })[] {
  return judges.filter((judge): judge is SuiteJudge & { suite: K } => judge.suite === suite);
}

/** The rows of prompts that were asked as they are. */
export const plainRows =
  (rowsOf: RowsOf): RowsOf =>
  (arm, judge) =>
    rowsOf(arm, judge).filter(({ item }) => isPlain(item));

/** The arm's rows as the first judge of each planned suite saw them. */
export function readArm(
  input: Pick<SummarySetting, 'suites' | 'judges'>,
  rowsOf: RowsOf,
  arm: string,
): ArmRows {
  const read = <K extends SuiteKind>(suite: K) => readSuite(input, rowsOf, arm, suite);
  const harm = readSuite(input, plainRows(rowsOf), arm, 'harm');
  const [harmUnderAll, overRefusal, drift] = [read('harm'), read('over-refusal'), read('drift')];
  const utility = read('utility');
  return {
    ...(harm && harmUnderAll && { harm, harmUnderAll }),
    ...(overRefusal && { overRefusal }),
    ...(drift && { drift }),
    ...(utility && { utility }),
  };
}

/** As the suite's first judge saw it; null where the suite was not planned. */
function readSuite<K extends SuiteKind>(
  input: Pick<SummarySetting, 'suites' | 'judges'>,
  rowsOf: RowsOf,
  arm: string,
  suite: K,
): Rows<K> | null {
  if (!input.suites.some(({ kind }) => kind === suite)) return null;
  const judge = judgesOf(input, suite)[0];
  if (!judge) throw new Error(`internal: no judge for the ${suite} suite`);
  return rowsOf(arm, judge);
}

/** Everything that a summary says of one arm by itself. `rowsOf`: of plain prompts. */
export function summariseArm(
  input: SummarySetting,
  rowsOf: RowsOf,
  arm: string,
  { harm, harmUnderAll = [], overRefusal, drift, utility }: ArmRows,
  base: ArmRows,
  margins: Margins | undefined,
): Omit<ArmSummary, 'training'> {
  const byJudge = () =>
    Object.fromEntries(judgesOf(input, 'harm').map((judge) => [judge.name, rowsOf(arm, judge)]));
  const { driftMode: mode = 'default' } = input;
  const samples = readSuite(input, rowsOf, arm, 'semantic-entropy') ?? [];
  const knowledge = (rows: Rows<'drift'>, how: DriftMode) =>
    extend(driftMetrics(rows, how), how, {
      samples,
      rows,
      baseRows: (input.knownSubset && base.drift) || null,
    });
  const excess = drift && flipExcess(drift, mode);
  return {
    ...(harm && {
      harm: {
        ...harmMetrics(harm, byJudge()),
        ...(margins && { refusalMargin: marginLevel(margins) }),
        ...harmByPrefill(harmUnderAll),
        ...(hasVariance(input) && { variance: varianceBudget(harmUnderAll) }),
      },
    }),
    ...(overRefusal && { overRefusal: overRefusalMetrics(overRefusal) }),
    ...(drift && { drift: knowledge(drift, mode) }),
    ...(drift && mode === 'default' && { driftPaper: knowledge(drift, 'paper') }),
    ...(excess && { flipExcess: excess }),
    ...(utility && { utility: utilityMetrics(utility) }),
  };
}

const hasVariance = ({ suites }: SummarySetting) =>
  suites.some(({ kind, variance }) => kind === 'harm' && variance);

/** Every condition's summary with what only some runs have. */
function extend(
  conditions: Record<string, DriftSummary>,
  mode: DriftMode,
  {
    samples,
    rows,
    baseRows,
  }: {
    readonly samples: Rows<'semantic-entropy'>;
    readonly rows: Rows<'drift'>;
    /** Null: no known subsets. */
    readonly baseRows: Rows<'drift'> | null;
  },
): Record<string, DriftSummary> {
  const known = baseRows ? knownSubsets(rows, baseRows, mode) : {};
  const spreads = answerSpreads(samples, rows, mode);
  return Object.fromEntries(
    Object.entries(conditions).map(([name, own]) => {
      const found = spreads.get(name);
      const field = found?.method === 'entailment' ? 'semanticEntropy' : 'answerEntropy';
      return [name, { ...own, ...known[name], ...(found && { [field]: found.spread }) }];
    }),
  );
}
