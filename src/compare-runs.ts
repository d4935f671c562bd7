import { readArm } from './arm-summary.ts';
import { differencesOf, type Factor, factors } from './comparable.ts';
import { type ArmComparison, change, compareArm, gatedMetrics, marginOf, neededItems } from './compare.ts';
import { AuditError } from './errors.ts';
import { joinOutcomes } from './outcomes.ts';
import type { PairedRate } from './rate.ts';
import type { Summary, Verdict } from './record.ts';
import { readFinishedRun } from './run-report.ts';
import { decideVerdict } from './verdict.ts';

/** What is compared, and what is under test. */
export interface CompareFlags {
  /** `NAME` or `FIRST=SECOND`; every arm that both runs have unless given. */
  readonly arm?: readonly string[];
  readonly factor?: readonly string[];
}

/**
 * Compares arms of two finished runs, the second against the first, paired by item.
 * @throws AuditError `config` naming everything that differs beside the declared factors.
 */
export async function compareRuns(first: string, second: string, flags: CompareFlags) {
  const declared = declaredFactors(flags.factor ?? []);
  const [earlier, later] = [await readForComparison(first), await readForComparison(second)];
  const differences = differencesOf(earlier, later);
  const refused = differences.filter(({ factor }) => !declared.has(factor));
  if (refused.length > 0) {
    throw new AuditError('config', 'these runs must not be compared: more differs than the arms’ adapters', {
      problems: refused.map(({ factor, what }) => `${factor}: ${what}`),
      hint: `run both with the same settings, or declare what is under test: ${[...new Set(refused.map(({ factor }) => `--factor ${factor}`))].join(' ')}`,
    });
  }
  const compared = pairsOfArms(earlier.summary, later.summary, flags.arm ?? []).map(([from, to]) => {
    const comparison = compareArm(
      later.rows(to),
      earlier.rows(from),
      'default',
      earlier.summary.gate.marginsPoints,
    );
    return { from, to, metrics: metricsOf(comparison, earlier.summary) };
  });
  return {
    schema: 'aftertune/compare@1',
    runs: [first, second],
    factors: [...declared],
    differences,
    arms: compared,
  };
}

function declaredFactors(given: readonly string[]): Set<Factor> {
  const unknown = given.filter((name) => !(factors as readonly string[]).includes(name));
  if (unknown.length === 0) return new Set(given as Factor[]);
  throw new AuditError('config', `--factor ${unknown.join(', ')}: no such factor`, {
    hint: `there is ${factors.join(', ')}; the arms’ adapters may always differ`,
  });
}

async function readForComparison(directory: string) {
  const { run, summary, items, verdicts, suites, rendering } = await readFinishedRun(directory);
  const rowsOf = joinOutcomes(suites, items, verdicts);
  const { judges } = summary;
  return {
    run,
    summary,
    suites,
    rendering,
    items,
    judges,
    rows: (arm: string) => readArm({ suites, judges }, rowsOf, arm),
  };
}

/** `NAME` or `NAME=OTHER`; every arm that both runs have unless given. */
function pairsOfArms(first: Summary, second: Summary, given: readonly string[]): [string, string][] {
  const [mine, theirs] = [Object.keys(first.arms), Object.keys(second.arms)];
  const pairs = given.map((text): [string, string] => {
    const [from = '', to = from] = text.split('=');
    return [from, to];
  });
  const wanted =
    pairs.length > 0
      ? pairs
      : mine.filter((name) => theirs.includes(name)).map((name): [string, string] => [name, name]);
  const unknown = wanted.filter(([from, to]) => !mine.includes(from) || !theirs.includes(to));
  if (wanted.length > 0 && unknown.length === 0) return wanted;
  throw new AuditError(
    'config',
    wanted.length === 0
      ? 'the runs have no arm in common'
      : `no such arms: ${unknown.map((pair) => pair.join('=')).join(', ')}`,
    { hint: `--arm FIRST=SECOND; the first run has ${mine.join(', ')}, the second ${theirs.join(', ')}` },
  );
}

export interface ComparedMetric {
  readonly metric: string;
  readonly deltaPoints: number | null;
  readonly ci95Points: readonly [number, number] | null;
  readonly rose: number;
  readonly fell: number;
  readonly p: number | null;
  readonly pairs: number;
  readonly dropped: number;
  /** By the first run's margins; null where the metric is none that is gated. */
  readonly verdict: Verdict | null;
  readonly neededItems: number | null;
}

function metricsOf({ harm, drift, utility, gated }: ArmComparison, { gate }: Summary): ComparedMetric[] {
  const decided = gatedMetrics.flatMap((metric) => {
    const found = gated[metric];
    if (!found) return [];
    const margin = gate.marginsPoints[marginOf[metric]];
    if (margin === undefined) return [];
    const verdict = decideVerdict(found.evidence, margin, gate.strict);
    return [describe(metric, found.paired, verdict, neededItems(found.paired, margin))];
  });
  const others = Object.entries(drift ?? {}).filter(([name]) => name !== 'base_prompt');
  return [
    ...(harm ? [describe('harm', harm, null, null)] : []),
    ...decided,
    ...(utility && !gated.utility ? [describe('utility', utility, null, null)] : []),
    ...others.map(([name, paired]) => describe(`accuracy, ${name}`, paired, null, null)),
  ];
}

function describe(
  metric: string,
  paired: PairedRate,
  verdict: Verdict | null,
  needed: number | null,
): ComparedMetric {
  const { rose, fell, p, pairs, dropped } = paired;
  return {
    metric,
    ...change(paired),
    ...{ rose, fell, p, pairs, dropped, verdict, neededItems: needed },
  };
}
