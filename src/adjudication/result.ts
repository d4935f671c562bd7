import { type Design, drawSample, keyOf, stratumOf, type Unit } from './design.ts';
import {
  correctedDifference,
  correctedRate,
  type Difference,
  type Estimate,
  equalAccuracyP,
  type Judged,
  judgeAccuracy,
  type RoganGladen,
  roganGladen,
} from './estimate.ts';
import type { HumanRecord } from './labels.ts';

/** What the labels come to, arm by arm, for the first judge and every other. */

export interface JudgeResult {
  readonly sensitivity: number | null;
  readonly specificity: number | null;
  /** p of equal sensitivity and specificity with the base; null for the base and where it cannot be told. */
  readonly equalToBase: { readonly sensitivity: number | null; readonly specificity: number | null } | null;
  readonly roganGladen: RoganGladen | null;
  /** Whether Se and Sp are of this arm and the base together. */
  readonly pooled: boolean;
}

export interface ArmResult {
  readonly units: number;
  readonly sampled: number;
  readonly labelled: number;
  readonly skipped: number;
  /** The judge's own rate, unscored counted as unsafe. */
  readonly judgedRate: number;
  readonly corrected: Estimate | null;
  /** Against the base. */
  readonly difference: Difference | null;
  readonly judges: Readonly<Record<string, JudgeResult>>;
}

const poolingP = 0.05;

/** `units`: every headline completion, of all arms; `judges`: their names, the deciding one first. */
export function adjudicated(
  units: readonly Unit[],
  judges: readonly string[],
  design: Design,
  labels: ReadonlyMap<string, HumanRecord>,
  baseArm: string,
): Record<string, ArmResult> {
  const sampled = new Set(drawSample(units, design).map(keyOf));
  const chances = effectiveChances(units, design, sampled, labels);
  const byArm = groupByArm(units);
  const judgedBy = (arm: string, judge: number): Judged[] =>
    (byArm.get(arm) ?? []).map((unit) => {
      const label = sampled.has(keyOf(unit)) ? labels.get(keyOf(unit))?.label : undefined;
      return {
        judge: unit.labels[judge] === 'safe' ? 0 : 1,
        human: label === 'safe' ? 0 : label === 'unsafe' ? 1 : null,
        probability: chances.get(stratumOf(unit)) ?? 1,
      };
    });
  const base = judges.map((_, judge) => judgedBy(baseArm, judge));
  return Object.fromEntries(
    [...byArm].map(([arm, own]): [string, ArmResult] => {
      const judged = judges.map((_, judge) => judgedBy(arm, judge));
      const [first = []] = judged;
      const answered = own
        .map((unit) => labels.get(keyOf(unit)))
        .filter((record, i) => record && sampled.has(keyOf(own[i]!)));
      return [
        arm,
        {
          units: own.length,
          sampled: own.filter((unit) => sampled.has(keyOf(unit))).length,
          labelled: answered.filter((record) => record!.label !== 'skip').length,
          skipped: answered.filter((record) => record!.label === 'skip').length,
          judgedRate: first.reduce((sum, { judge }) => sum + judge, 0) / first.length,
          corrected: chancesKnown(own, chances) ? correctedRate(first) : null,
          difference: arm === baseArm ? null : correctedDifference(first, base[0] ?? []),
          judges: Object.fromEntries(
            judges.map((name, judge) => [
              name,
              judgeResult(judged[judge]!, arm === baseArm ? null : base[judge]!),
            ]),
          ),
        },
      ];
    }),
  );
}

function judgeResult(own: readonly Judged[], base: readonly Judged[] | null): JudgeResult {
  const accuracy = judgeAccuracy(own);
  const equalToBase = base && {
    sensitivity: equalAccuracyP(accuracy, judgeAccuracy(base), 'sensitivity'),
    specificity: equalAccuracyP(accuracy, judgeAccuracy(base), 'specificity'),
  };
  const pooled = equalToBase !== null && Object.values(equalToBase).every((p) => p !== null && p > poolingP);
  return {
    sensitivity: accuracy.sensitivity,
    specificity: accuracy.specificity,
    equalToBase,
    pooled,
    roganGladen: roganGladen(own, pooled ? base! : []),
  };
}

/**
 * Chance by stratum of being sampled and answered: what is skipped or not reached yet lowers it evenly, which holds since
 * the queue is in random order and as far as what is skipped is like what is not. 0: sampled, and nothing answered.
 */
function effectiveChances(
  units: readonly Unit[],
  { strata }: Design,
  sampled: ReadonlySet<string>,
  labels: ReadonlyMap<string, HumanRecord>,
): Map<string, number> {
  const counts = new Map(strata.map(({ name }) => [name, { sampled: 0, answered: 0 }]));
  for (const unit of units) {
    if (!sampled.has(keyOf(unit))) continue;
    const count = counts.get(stratumOf(unit))!;
    const label = labels.get(keyOf(unit))?.label;
    count.sampled++;
    if (label === 'safe' || label === 'unsafe') count.answered++;
  }
  return new Map(
    strata.map(({ name, probability }) => {
      const { sampled: n, answered } = counts.get(name)!;
      return [name, n === 0 ? probability : (probability * answered) / n];
    }),
  );
}

/** Where people have answered nothing of a stratum that they were asked about, nothing corrects it. */
const chancesKnown = (units: readonly Unit[], chances: ReadonlyMap<string, number>) =>
  units.every((unit) => (chances.get(stratumOf(unit)) ?? 0) > 0);

function groupByArm(units: readonly Unit[]): Map<string, Unit[]> {
  const groups = new Map<string, Unit[]>();
  for (const unit of units) {
    const group = groups.get(unit.arm);
    if (group) group.push(unit);
    else groups.set(unit.arm, [unit]);
  }
  return groups;
}
