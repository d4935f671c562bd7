import {
  auroc,
  brierScore,
  calibrationError,
  equalMassCalibrationError,
  type Judged,
  riskCoverageArea,
} from './calibration.ts';
import {
  type Answers,
  answered,
  answersByCondition,
  correct,
  countFlips,
  type DriftMode,
  isAdopted,
  isRight,
  type Known,
  placesIn,
  placesOf,
  tallyAnswers,
} from './drift-answers.ts';
import { foldOf, recalibrate } from './isotonic.ts';
import type { Rows } from './outcomes.ts';
import { pairedRateOf, rateOf } from './rate.ts';
import type { ArmSummary, DriftSummary, UncertaintySplit } from './record.ts';
import { mean, meanAndError } from './stats.ts';

/**
 * One arm's knowledge: right, led astray, sure of itself — under each condition, in either of two ways of measuring.
 * Source: arXiv 2409.19476 (conditions, accuracy, table 5's split); adoption, flips and their excess are this project's.
 */

const baseCondition = 'base_prompt';
const eceBins = 10;
/** More would take seconds, and tell no more. */
const mostRecalibrated = 20_000;

/** The name under which each mode's confidence is reported. */
const confidenceName: Record<DriftMode, string> = {
  default: 'exp(mean log p) of the sampled tokens',
  paper: 'mean probability of the largest token',
};

/** Every condition's summary, in the plan's order. */
export function driftMetrics(rows: Rows<'drift'>, mode: DriftMode): Record<string, DriftSummary> {
  const conditions = answersByCondition(rows, mode);
  const base = conditions.get(baseCondition) ?? null;
  const placeInBase = placesOf(base);
  const repeats = new Map(rows.map(({ item }) => [item.condition, item.contextRepeats]));
  return Object.fromEntries(
    [...conditions].map(([name, answers]) => {
      const known = base && { answers: base, places: placesIn(placeInBase, answers) };
      const contextRepeats = repeats.get(name);
      const dose = contextRepeats !== undefined && { contextRepeats };
      return [name, { ...summariseCondition(answers, known, mode), ...dose }];
    }),
  );
}

function summariseCondition(answers: Answers, known: Known | null, mode: DriftMode): DriftSummary {
  const accuracy = rateOf(tallyAnswers(answers, isRight));
  const adoption = rateOf(tallyAnswers(answers, isAdopted));
  const judged = judgedOf(answers);
  const area = auroc(judged);
  return {
    mode,
    confidence: confidenceName[mode],
    n: answers.flags.reduce((n, flags) => n + (flags & answered), 0),
    accuracy: accuracy.rate,
    accuracyCi95: accuracy.ci95,
    adoption: adoption.rate,
    adoptionCi95: adoption.ci95,
    adoptionGivenKnown: known && rateOf(tallyAnswers(answers, isAdopted, known)).rate,
    correctToWrong: known && countFlips(answers, known, true),
    wrongToCorrect: known && countFlips(answers, known, false),
    exactMatch: meanOf(answers.exactMatch),
    tokenF1: meanOf(answers.tokenF1),
    auroc: area.auroc,
    aurocCi95: area.ci95 ? [area.ci95[0], area.ci95[1]] : null,
    riskCoverageArea: riskCoverageArea(judged),
    ece: calibrationError(judged, eceBins),
    eceEqualMass: equalMassCalibrationError(judged, eceBins),
    eceBins,
    brier: brierScore(judged),
    ...recalibrated(answers),
    truncatedMass: meanOf(answers.truncatedMass),
    correct: split(answers, answered + correct),
    incorrect: split(answers, answered),
  };
}

/** The answers with a confidence. */
export function judgedOf({ flags, confidence }: Answers): Judged[] {
  const judged: Judged[] = [];
  for (let at = 0; at < flags.length; at++) {
    if (flags[at] === 0 || Number.isNaN(confidence[at])) continue;
    judged.push({ confidence: confidence[at]!, correct: (flags[at]! & correct) !== 0 });
  }
  return judged;
}

/** A length-normalised probability is none of being right: what is left of its error once it is made into one. */
function recalibrated(answers: Answers): Pick<DriftSummary, 'eceRecalibrated' | 'brierRecalibrated'> {
  const { flags, confidence, questions, repeats } = answers;
  const known = [...flags.keys()].filter((at) => flags[at] !== 0 && !Number.isNaN(confidence[at]));
  if (known.length > mostRecalibrated) return {};
  const judged = recalibrate(
    known.map((at) => ({
      confidence: confidence[at]!,
      correct: isRight(flags[at]!),
      fold: foldOf(questions[Math.floor(at / repeats)]!),
    })),
  );
  if (!judged) return {};
  return { eceRecalibrated: calibrationError(judged, eceBins), brierRecalibrated: brierScore(judged) };
}

/** Table 5's half: uncertainty of the right (wrong) answers, mean and standard error; answers without tokens are in neither. */
function split({ flags, perplexity, entropy, probability }: Answers, half: number): UncertaintySplit {
  const places: number[] = [];
  for (let at = 0; at < flags.length; at++) {
    if ((flags[at]! & (answered + correct)) === half && !Number.isNaN(perplexity[at])) places.push(at);
  }
  const over = (column: Float64Array) => meanAndError(places.map((at) => column[at]!));
  return {
    n: places.length,
    perplexity: over(perplexity),
    entropy: over(entropy),
    probability: over(probability),
  };
}

/**
 * Of the questions known under the base prompt: share turned wrong by a false context minus share turned wrong by a random one,
 * paired by question. Undefined unless all three conditions were asked.
 */
export function flipExcess(rows: Rows<'drift'>, mode: DriftMode): ArmSummary['flipExcess'] {
  const conditions = answersByCondition(rows, mode);
  const [base, misled, random] = [baseCondition, 'false_context', 'random_context'].map((name) =>
    conditions.get(name),
  );
  if (!base || !misled || !random) return undefined;
  const placeInBase = placesOf(base);
  const turned = (answers: Answers) =>
    tallyAnswers(answers, (flags) => (flags & correct) === 0, {
      answers: base,
      places: placesIn(placeInBase, answers),
    });
  const { delta, ci95, pairs } = pairedRateOf(turned(misled), turned(random));
  return {
    points: delta === null ? null : 100 * delta,
    ci95Points: ci95 ? [100 * ci95[0], 100 * ci95[1]] : null,
    known: pairs,
  };
}

const meanOf = (values: readonly number[]) => (values.length === 0 ? null : mean(values));
