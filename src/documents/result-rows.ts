import type { Comparison, Summary } from '../record.ts';
import type { Columns, TypedRow } from './typed-table.ts';

/** The tidy table of a summary's results: a row for each arm, metric and part of the prompts. */

export const resultColumns = {
  arm: 'text',
  /** `rate`, or `difference` against `against`. */
  quantity: 'text',
  against: 'text',
  metric: 'text',
  judge: 'text',
  condition: 'text',
  functionalCategory: 'text',
  semanticCategory: 'text',
  /** `rate` is 0–1; `points` are percentage points. */
  unit: 'text',
  estimate: 'number',
  lower: 'number',
  upper: 'number',
  /** With unscored completions counted one way and the other. */
  boundLower: 'number',
  boundUpper: 'number',
  numerator: 'integer',
  /** Scored completions of a rate, pairs of items of a difference. */
  denominator: 'integer',
  unscored: 'integer',
  gained: 'integer',
  lost: 'integer',
  pValue: 'number',
  verdict: 'text',
} as const satisfies Columns;

export type ResultRow = TypedRow<typeof resultColumns>;
type Interval = readonly [number, number] | null | undefined;

const blank = Object.fromEntries(Object.keys(resultColumns).map((name) => [name, null])) as ResultRow;

/** Rows in the order of the arms: their rates, then their differences against the base. */
export function resultRows(summary: Summary): ResultRow[] {
  return Object.keys(summary.arms).flatMap((arm) => [
    ...rateRows(arm, summary.arms[arm]!),
    ...(summary.comparisons[arm] ? differenceRows(arm, summary.baseArm, summary.comparisons[arm]) : []),
  ]);
}

interface Share {
  readonly scored: number;
  readonly unscored: number;
  readonly rate: number | null;
  readonly ci95: Interval;
  readonly bounds: Interval;
}

function rateRows(arm: string, { harm, overRefusal, drift, utility }: Summary['arms'][string]): ResultRow[] {
  const row = (
    metric: string,
    share: Share,
    numerator: number,
    part: Partial<ResultRow> = {},
  ): ResultRow => ({
    ...blank,
    ...{ arm, quantity: 'rate', metric, unit: 'rate' },
    ...{ estimate: share.rate, ...limits(share.ci95), ...boundsOf(share.bounds) },
    ...{ numerator, denominator: share.scored, unscored: share.unscored },
    ...part,
  });
  const harmRow = (metric: string, share: Share & { unsafe: number }, part?: Partial<ResultRow>) =>
    row(metric, share, share.unsafe, part);
  const each = <T>(
    shares: Readonly<Record<string, T>> | undefined,
    make: (name: string, share: T) => ResultRow,
  ) => Object.entries(shares ?? {}).map(([name, share]) => make(name, share));
  return [
    ...(harm
      ? [
          harmRow('harmHeadline', harm.headline),
          harmRow('harm', harm.all),
          ...each(harm.byFunctionalCategory, (functionalCategory, share) =>
            harmRow('harm', share, { functionalCategory }),
          ),
          ...each(harm.bySemanticCategory, (semanticCategory, share) =>
            harmRow('harm', share, { semanticCategory }),
          ),
          ...each(harm.judges, (judge, share) => harmRow('harm', share, { judge })),
          ...each(harm.byPrefill, (tokens, share) =>
            harmRow('harmHeadline', share, { condition: `prefill_${tokens}` }),
          ),
        ]
      : []),
    ...(overRefusal ? [row('overRefusal', overRefusal, overRefusal.refused)] : []),
    ...Object.entries(drift ?? {}).flatMap(([condition, found]) => driftRows(arm, condition, found)),
    ...(utility ? [row('utility', utility.all, utility.all.correct)] : []),
  ];
}

type Drift = NonNullable<Summary['arms'][string]['drift']>[string];

/** A numerator is told only where the records count it: rates over repeats are means of items' shares. */
function driftRows(arm: string, condition: string, drift: Drift): ResultRow[] {
  const row = (metric: string, estimate: number | null, interval?: Interval): ResultRow => ({
    ...blank,
    ...{ arm, quantity: 'rate', metric, condition, unit: 'rate', estimate, ...limits(interval) },
    denominator: drift.n,
  });
  return [
    row('accuracy', drift.accuracy, drift.accuracyCi95),
    row('adoption', drift.adoption, drift.adoptionCi95),
    row('auroc', drift.auroc, drift.aurocCi95),
    row('ece', drift.ece),
    row('brier', drift.brier),
  ].filter(({ estimate }) => estimate !== null);
}

interface Difference {
  readonly deltaPoints: number | null;
  readonly ci95Points: Interval;
  readonly mcnemarP: number | null;
  readonly signFlipP?: number | null | undefined;
  readonly pairs: number;
  readonly dropped: number;
}

function differenceRows(arm: string, against: string, comparison: Comparison): ResultRow[] {
  const row = (
    metric: string,
    found: Difference,
    changed: [number, number],
    part: Partial<ResultRow> = {},
  ) => ({
    ...blank,
    ...{ arm, quantity: 'difference', against, metric, unit: 'points' },
    ...{ estimate: found.deltaPoints, ...limits(found.ci95Points) },
    ...{ denominator: found.pairs, unscored: found.dropped, gained: changed[0], lost: changed[1] },
    pValue: found.mcnemarP ?? found.signFlipP ?? null,
    verdict: comparison.verdicts[metric] ?? null,
    ...part,
  });
  const { harmHeadline, harm, harmByPrefill, overRefusal, drift, utility } = comparison;
  const ofHarm = (metric: string, found: NonNullable<typeof harm>, part?: Partial<ResultRow>) =>
    row(metric, found, [found.safeToUnsafe, found.unsafeToSafe], part);
  return [
    ...(harmHeadline ? [ofHarm('harmHeadline', harmHeadline)] : []),
    ...(harm ? [ofHarm('harm', harm)] : []),
    ...Object.entries(harmByPrefill ?? {}).map(([tokens, found]) =>
      ofHarm('harmHeadline', found, { condition: `prefill_${tokens}`, verdict: null }),
    ),
    ...(overRefusal
      ? [row('overRefusal', overRefusal, [overRefusal.answeredToRefused, overRefusal.refusedToAnswered])]
      : []),
    ...Object.entries(drift ?? {}).map(([condition, found]) =>
      row('accuracy', { ...found, deltaPoints: found.deltaAccuracyPoints }, [found.gained, found.lost], {
        condition,
        ...(condition !== 'base_prompt' && { verdict: null }),
      }),
    ),
    ...(utility ? [row('utility', utility, [utility.gained, utility.lost])] : []),
  ];
}

const limits = (found: Interval) => ({ lower: found?.[0] ?? null, upper: found?.[1] ?? null });
const boundsOf = (found: Interval) => ({ boundLower: found?.[0] ?? null, boundUpper: found?.[1] ?? null });
