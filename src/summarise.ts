import { plainRows, readArm, summariseArm } from './arm-summary.ts';
import { writeCaveats } from './caveats.ts';
import { type Coherence, coherenceOf } from './coherence.ts';
import {
  type ArmComparison,
  type ArmRows,
  compareArm,
  type GatedMetric,
  gatedMetrics,
  marginOf,
  neededItems,
  toPairedDrift,
  toPairedHarm,
  toPairedRefusal,
  toPairedUtility,
} from './compare.ts';
import type { DriftMode } from './drift-answers.ts';
import type { MarginRecord } from './harm-record.ts';
import { type Margins, marginDifference, marginsByArm } from './margin-metrics.ts';
import {
  type Completion,
  completionsOf,
  joinOutcomes,
  type PlannedSuite,
  type RowsOf,
  type SuiteJudge,
} from './outcomes.ts';
import { panelAgreement } from './panel.ts';
import {
  type ArmSummary,
  type Comparison,
  type ItemRecord,
  type Summary,
  type VerdictRecord,
  worstVerdict,
} from './record.ts';
import { armSeverity, severityDifference } from './severity.ts';
import { holm } from './stats.ts';
import { decideVerdict, verdictExitCode } from './verdict.ts';

export type { PlannedItem, PlannedSuite, SuiteJudge } from './outcomes.ts';

export interface GateSettings {
  /** Largest harm-side difference that still passes, percentage points. */
  readonly marginsPoints: Summary['gate']['marginsPoints'];
  /** True: FAIL needs the interval's lower end beyond the margin. */
  readonly strict: boolean;
}

export interface SummaryArm {
  readonly name: string;
  readonly training: ArmSummary['training'];
  /** Counts in the run's verdict; ignored for the base arm. */
  readonly gated: boolean;
}

/** Everything a summary is made of but the outcomes themselves. */
export interface SummarySetting {
  readonly arms: readonly SummaryArm[];
  readonly baseArm: string;
  /** A planned prompt without a record or a verdict counts as unscored. */
  readonly suites: readonly PlannedSuite[];
  /** At least one for every suite; the first of each decides. */
  readonly judges: readonly SuiteJudge[];
  readonly gate: GateSettings;
  /** Caveats known before anything was asked. */
  readonly notes?: readonly string[];
  /** `default` puts the paper's way under `driftPaper`; `paper` (recorded outcomes) gives that alone. */
  readonly driftMode?: DriftMode;
  /** Also what became of the questions that an arm, and the base, had right without a context. */
  readonly knownSubset?: boolean;
  /** Refusal margins, and what they were measured with; left out where they were not. */
  readonly margins?: readonly MarginRecord[];
  readonly refusalTokens?: NonNullable<Summary['refusalTokens']>;
}

/** A setting with its records; the order of `items` and `verdicts` makes no difference. */
export interface SummaryInput extends SummarySetting {
  readonly items: Iterable<ItemRecord>;
  readonly verdicts: Iterable<VerdictRecord>;
}

/** The result of a run: every number of summary.json from its records. Pure; equal input gives equal bytes. */
export function summarise(input: SummaryInput): Summary {
  return summariseRows(input, joinOutcomes(input.suites, input.items, input.verdicts));
}

/** As `summarise`, from outcomes that are joined already. */
export function summariseRows(input: SummarySetting, rowsOf: RowsOf): Summary {
  const { baseArm, gate, driftMode: mode = 'default' } = input;
  const plainOf = plainRows(rowsOf);
  const rows = new Map(input.arms.map(({ name }) => [name, readArm(input, rowsOf, name)]));
  const coherence = new Map([...rows].map(([name, own]) => [name, coherenceOf(recordsOf(own))]));
  const margins = marginsByArm(input.margins ?? []);
  const base = rows.get(baseArm);
  if (!base) throw new Error(`internal: the base arm ${baseArm} is not among the arms`);
  const others = input.arms.filter(({ name }) => name !== baseArm);
  const compared = others.map(({ name }) => compareArm(rows.get(name)!, base, mode, gate.marginsPoints));
  const adjusted = adjustTogether(compared);
  const comparisons = others.map(({ name, gated }, i) => ({
    ...writeComparison(compared[i]!, adjusted[i]!, gated, gate),
    ...compareMargins(margins.get(name), margins.get(baseArm)),
    ...severityDifference(input, plainOf, name, baseArm),
  }));
  const verdict = worstVerdict(
    comparisons.flatMap(({ gated, verdicts }) => (gated ? Object.values(verdicts) : [])),
  );
  const summary: Omit<Summary, 'caveats'> = {
    schema: 'aftertune/summary@1',
    baseArm,
    arms: Object.fromEntries(
      input.arms.map(({ name, training }) => [
        name,
        {
          ...withSeverity(
            summariseArm(input, plainOf, name, rows.get(name)!, base, margins.get(name)),
            armSeverity(input, plainOf, name),
          ),
          ...(isBroken(coherence.get(name)!) && { coherence: coherence.get(name)! }),
          training,
        },
      ]),
    ),
    comparisons: Object.fromEntries(others.map(({ name }, i) => [name, comparisons[i]!])),
    judges: input.judges.map(({ suite, name, version, fingerprint, note }) => ({
      suite,
      name,
      version,
      fingerprint,
      ...(note !== undefined && { note }),
    })),
    agreement: panelAgreement(input, plainOf),
    ...(input.refusalTokens && { refusalTokens: input.refusalTokens }),
    gate: {
      verdict,
      exitCode: verdictExitCode(verdict),
      strict: gate.strict,
      marginsPoints: gate.marginsPoints,
    },
  };
  const caveats = writeCaveats(summary, rows, coherence);
  return { ...summary, caveats: [...(input.notes ?? []), ...caveats] };
}

/** Of the answers that judges of harm and refusal see. */
function* recordsOf({ harm = [], overRefusal = [] }: ArmRows) {
  for (const rows of [harm, overRefusal]) {
    for (const { record } of completionsOf<Completion<'harm' | 'over-refusal'>>(rows))
      if (record) yield record;
  }
}

const isBroken = ({ empty, repetitive }: Coherence) => empty + repetitive > 0;

const withSeverity = <T extends Pick<ArmSummary, 'harm'>>(
  arm: T,
  severity: ReturnType<typeof armSeverity>,
) => (arm.harm ? { ...arm, harm: { ...arm.harm, ...severity } } : arm);

function compareMargins(
  arm: Margins | undefined,
  base: Margins | undefined,
): Pick<Comparison, 'refusalMargin'> {
  return arm && base ? { refusalMargin: marginDifference(arm, base) } : {};
}

type Adjusted = Partial<Record<GatedMetric, number | null>>;

/** Holm over the p values of all gated metrics of all arms: the family behind the verdicts. */
function adjustTogether(comparisons: readonly ArmComparison[]): Adjusted[] {
  const family = comparisons.flatMap(({ gated }, arm) =>
    gatedMetrics.flatMap((metric) => (gated[metric] ? [{ arm, metric, p: gated[metric].paired.p }] : [])),
  );
  const corrected = holm(family.map(({ p }) => p));
  const adjusted: Adjusted[] = comparisons.map(() => ({}));
  family.forEach(({ arm, metric }, i) => {
    adjusted[arm]![metric] = corrected[i]!;
  });
  return adjusted;
}

function writeComparison(
  { harm, harmByPrefill: prefilled, drift, utility, gated: metrics }: ArmComparison,
  adjusted: Adjusted,
  gated: boolean,
  { marginsPoints, strict }: GateSettings,
): Comparison {
  const present = gatedMetrics.flatMap((metric) => {
    const compared = metrics[metric];
    const margin = marginsPoints[marginOf[metric]];
    return compared && margin !== undefined ? [{ metric, compared, margin }] : [];
  });
  const conditions = Object.entries(drift ?? {});
  return {
    ...(harm && { harm: toPairedHarm(harm, null) }),
    ...(metrics.harmHeadline && {
      harmHeadline: toPairedHarm(metrics.harmHeadline.paired, adjusted.harmHeadline ?? null),
    }),
    ...(prefilled && {
      harmByPrefill: Object.fromEntries(
        Object.entries(prefilled).map(([tokens, paired]) => [tokens, toPairedHarm(paired, null)]),
      ),
    }),
    ...(metrics.overRefusal && {
      overRefusal: toPairedRefusal(metrics.overRefusal.paired, adjusted.overRefusal ?? null),
    }),
    ...(drift && {
      drift: Object.fromEntries(
        conditions.map(([name, paired]) => [
          name,
          toPairedDrift(paired, name === 'base_prompt' ? (adjusted.accuracy ?? null) : null),
        ]),
      ),
    }),
    ...(utility && { utility: toPairedUtility(utility, adjusted.utility ?? null) }),
    gated,
    verdicts: Object.fromEntries(
      present.map(({ metric, compared, margin }) => [
        metric,
        decideVerdict(compared.evidence, margin, strict),
      ]),
    ),
    neededItems: Object.fromEntries(
      present.map(({ metric, compared, margin }) => [metric, neededItems(compared.paired, margin)]),
    ),
  };
}
