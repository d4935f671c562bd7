import {
  auroc,
  brierScore,
  calibrationError,
  equalMassCalibrationError,
  type Judged,
  riskCoverageArea,
} from './calibration.ts';
import type { Completion, Row, VerdictOf } from './outcomes.ts';
import { pairedRateOf, rateOf, type Tallies, type Tally } from './rate.ts';
import type { ArmSummary, DriftSummary, Uncertainty, UncertaintySplit } from './record.ts';
import { mean, meanAndError } from './stats.ts';

/**
 * One arm's knowledge: right, led astray, sure of itself — under each condition, in either of two ways of measuring.
 * Source: arXiv 2409.19476 (conditions, accuracy, table 5's split); adoption, flips and their excess are this project's.
 */

export type DriftMode = 'default' | 'paper';

const baseCondition = 'base_prompt';
const eceBins = 10;

/** One answer. */
export interface Answer {
  readonly correct: boolean;
  readonly adopted: boolean;
  readonly exactMatch: boolean;
  readonly tokenF1: number;
  readonly uncertainty: Uncertainty | null;
  readonly confidence: number | null;
  readonly truncatedMass: number | null;
}

/** Answers by question, one per repeat; null where there is none. */
export type Answers = ReadonlyMap<string, readonly (Answer | null)[]>;

/** Whether a verdict says correct, in either mode. */
export const isCorrect =
  (mode: DriftMode) =>
  (verdict: VerdictOf<'drift'>): boolean =>
    mode === 'paper' ? verdict.paper.correct : verdict.label === 'correct';

/** The name under which each mode's confidence is reported. */
const confidenceName: Record<DriftMode, string> = {
  default: 'exp(mean log p) of the sampled tokens',
  paper: 'mean probability of the largest token',
};

function readAnswer({ record, verdict }: Completion<'drift'>, mode: DriftMode): Answer | null {
  if (!verdict) return null;
  const shared = {
    correct: isCorrect(mode)(verdict),
    exactMatch: verdict.exactMatch,
    tokenF1: verdict.tokenF1,
    truncatedMass: record?.truncatedMass ?? null,
  };
  if (mode === 'default') {
    return {
      ...shared,
      adopted: verdict.adopted,
      uncertainty: record?.uncertainty ?? null,
      confidence: record?.confidence ?? null,
    };
  }
  const uncertainty = record?.uncertaintyPaper ?? null;
  return {
    ...shared,
    adopted: verdict.paper.adopted,
    uncertainty,
    confidence: uncertainty?.probability ?? null,
  };
}

/** Every question's answers, by condition in the plan's order. */
export function answersByCondition(rows: readonly Row<'drift'>[], mode: DriftMode): Map<string, Answers> {
  const conditions = new Map<string, Map<string, (Answer | null)[]>>();
  for (const { item, completions } of rows) {
    const answers = conditions.get(item.condition) ?? new Map<string, (Answer | null)[]>();
    conditions.set(item.condition, answers);
    answers.set(
      item.id,
      completions.map((completion) => readAnswer(completion, mode)),
    );
  }
  return conditions;
}

/** Every condition's summary, in the plan's order. */
export function driftMetrics(rows: readonly Row<'drift'>[], mode: DriftMode): Record<string, DriftSummary> {
  const conditions = answersByCondition(rows, mode);
  const base: Answers = conditions.get(baseCondition) ?? new Map();
  const repeats = new Map(rows.map(({ item }) => [item.condition, item.contextRepeats]));
  return Object.fromEntries(
    [...conditions].map(([name, answers]) => {
      const contextRepeats = repeats.get(name);
      const dose = contextRepeats !== undefined && { contextRepeats };
      return [name, { ...summariseCondition(answers, base, mode), ...dose }];
    }),
  );
}

function summariseCondition(answers: Answers, base: Answers, mode: DriftMode): DriftSummary {
  const answered = [...answers.values()].flat().filter((answer) => answer !== null);
  const accuracy = rateOf(tallyAnswers(answers, ({ correct }) => correct));
  const adoption = rateOf(tallyAnswers(answers, ({ adopted }) => adopted));
  const judged = answered.flatMap(({ confidence, correct }): Judged[] =>
    confidence === null ? [] : [{ confidence, correct }],
  );
  const area = auroc(judged);
  return {
    mode,
    confidence: confidenceName[mode],
    n: answered.length,
    accuracy: accuracy.rate,
    accuracyCi95: accuracy.ci95,
    adoption: adoption.rate,
    adoptionCi95: adoption.ci95,
    adoptionGivenKnown: rateOf(tallyAnswers(answers, ({ adopted }) => adopted, base)).rate,
    correctToWrong: countFlips(answers, base, true),
    wrongToCorrect: countFlips(answers, base, false),
    exactMatch: meanOf(answered.map(({ exactMatch }) => (exactMatch ? 1 : 0))),
    tokenF1: meanOf(answered.map(({ tokenF1 }) => tokenF1)),
    auroc: area.auroc,
    aurocCi95: area.ci95 ? [area.ci95[0], area.ci95[1]] : null,
    riskCoverageArea: riskCoverageArea(judged),
    ece: calibrationError(judged, eceBins),
    eceEqualMass: equalMassCalibrationError(judged, eceBins),
    eceBins,
    brier: brierScore(judged),
    truncatedMass: meanOf(answered.flatMap(({ truncatedMass }) => truncatedMass ?? [])),
    correct: split(answered, true),
    incorrect: split(answered, false),
  };
}

/** Tallies by question; with `known`, only over repeats the same arm had right there. */
export function tallyAnswers(
  answers: Answers,
  positive: (answer: Answer) => boolean,
  known?: Answers,
): Tallies {
  return new Map(
    [...answers].map(([id, repeats]): [string, Tally] => {
      const asked = known ? repeats.filter((_, repeat) => known.get(id)?.[repeat]?.correct) : repeats;
      const scored = asked.filter((answer) => answer !== null);
      return [id, { positive: scored.filter(positive).length, scored: scored.length, total: asked.length }];
    }),
  );
}

/** Answers that changed from `from` to its opposite against the same arm's base prompt; null where that was not asked. */
export function countFlips(answers: Answers, base: Answers, from: boolean): number | null {
  if (base.size === 0) return null;
  let flips = 0;
  for (const [id, repeats] of answers) {
    repeats.forEach((answer, repeat) => {
      const before = base.get(id)?.[repeat];
      if (answer && before && before.correct === from && answer.correct !== from) flips++;
    });
  }
  return flips;
}

/** Table 5's half: uncertainty of the right (wrong) answers, mean and standard error; answers without tokens are in neither. */
function split(answered: readonly Answer[], correct: boolean): UncertaintySplit {
  const scores = answered.flatMap((answer) =>
    answer.correct === correct && answer.uncertainty ? [answer.uncertainty] : [],
  );
  return {
    n: scores.length,
    perplexity: meanAndError(scores.map(({ perplexity }) => perplexity)),
    entropy: meanAndError(scores.map(({ entropy }) => entropy)),
    probability: meanAndError(scores.map(({ probability }) => probability)),
  };
}

/**
 * Of the questions known under the base prompt: share turned wrong by a false context minus share turned wrong by a random one,
 * paired by question. Undefined unless all three conditions were asked.
 */
export function flipExcess(rows: readonly Row<'drift'>[], mode: DriftMode): ArmSummary['flipExcess'] {
  const conditions = answersByCondition(rows, mode);
  const [base, misled, random] = [baseCondition, 'false_context', 'random_context'].map((name) =>
    conditions.get(name),
  );
  if (!base || !misled || !random) return undefined;
  const turned = (answers: Answers) => tallyAnswers(answers, ({ correct }) => !correct, base);
  const { delta, ci95, pairs } = pairedRateOf(turned(misled), turned(random));
  return {
    points: delta === null ? null : 100 * delta,
    ci95Points: ci95 ? [100 * ci95[0], 100 * ci95[1]] : null,
    known: pairs,
  };
}

const meanOf = (values: readonly number[]) => (values.length === 0 ? null : mean(values));
