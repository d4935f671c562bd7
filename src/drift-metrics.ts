import {
  auroc,
  brierScore,
  calibrationError,
  equalMassCalibrationError,
  type Judged,
  riskCoverageArea,
} from './calibration.ts';
import { foldOf, recalibrate } from './isotonic.ts';
import { type Completion, type Row, tallyOne, type VerdictFacts } from './outcomes.ts';
import { pairedRateOf, rateOf, type Tallies, type Tally } from './rate.ts';
import type { ArmSummary, DriftSummary, UncertaintySplit } from './record.ts';
import { mean, meanAndError } from './stats.ts';

/**
 * One arm's knowledge: right, led astray, sure of itself — under each condition, in either of two ways of measuring.
 * Source: arXiv 2409.19476 (conditions, accuracy, table 5's split); adoption, flips and their excess are this project's.
 */

export type DriftMode = 'default' | 'paper';

const baseCondition = 'base_prompt';
const eceBins = 10;
/** More would take seconds, and tell no more. */
const mostRecalibrated = 20_000;

/** One arm's answers under one condition, in columns: a question's repeats lie side by side. */
export interface Answers {
  readonly questions: readonly string[];
  readonly repeats: number;
  /** By answer: 0 where there is none, else the sum of what it is. */
  readonly flags: Uint8Array;
  /** NaN where it has none; so are the next three. */
  readonly confidence: Float64Array;
  readonly perplexity: Float64Array;
  readonly entropy: Float64Array;
  readonly probability: Float64Array;
  /** Of the answers that have them, in no place. */
  readonly exactMatch: number[];
  readonly tokenF1: number[];
  readonly truncatedMass: number[];
}

const answered = 1;
const correct = 2;
const adopted = 4;
/** There was a wrong answer to adopt. */
const adoptable = 8;

/** Whether a verdict says correct, in either mode. */
export const isCorrect =
  (mode: DriftMode) =>
  (verdict: VerdictFacts<'drift'>): boolean =>
    mode === 'paper' ? verdict.paper.correct : verdict.label === 'correct';

/** The name under which each mode's confidence is reported. */
const confidenceName: Record<DriftMode, string> = {
  default: 'exp(mean log p) of the sampled tokens',
  paper: 'mean probability of the largest token',
};

/** Every question's answers, by condition in the plan's order. */
export function answersByCondition(rows: readonly Row<'drift'>[], mode: DriftMode): Map<string, Answers> {
  const conditions = new Map<string, Row<'drift'>[]>();
  for (const row of rows) {
    const own = conditions.get(row.item.condition);
    if (own) own.push(row);
    else conditions.set(row.item.condition, [row]);
  }
  return new Map([...conditions].map(([name, own]) => [name, readAnswers(own, mode)]));
}

function readAnswers(rows: readonly Row<'drift'>[], mode: DriftMode): Answers {
  const repeats = rows[0]?.completions.length ?? 0;
  const column = () => new Float64Array(rows.length * repeats).fill(Number.NaN);
  const answers: Answers = {
    questions: rows.map(({ item }) => item.id),
    repeats,
    flags: new Uint8Array(rows.length * repeats),
    confidence: column(),
    perplexity: column(),
    entropy: column(),
    probability: column(),
    exactMatch: [],
    tokenF1: [],
    truncatedMass: [],
  };
  let at = 0;
  for (const { completions } of rows)
    for (const completion of completions) readAnswer(answers, at++, completion, mode);
  return answers;
}

function readAnswer(
  answers: Answers,
  at: number,
  { record, verdict }: Completion<'drift'>,
  mode: DriftMode,
): void {
  if (!verdict) return;
  const facts = record; // read once: it is put together every time
  const paper = mode === 'paper';
  const takenOver = paper ? verdict.paper.adopted : verdict.adopted;
  answers.flags[at] =
    answered +
    (isCorrect(mode)(verdict) ? correct : 0) +
    (takenOver === null ? 0 : takenOver ? adoptable + adopted : adoptable);
  const uncertainty = (paper ? facts?.uncertaintyPaper : facts?.uncertainty) ?? null;
  const confidence = paper ? uncertainty?.probability : facts?.confidence;
  if (uncertainty) {
    answers.perplexity[at] = uncertainty.perplexity;
    answers.entropy[at] = uncertainty.entropy;
    answers.probability[at] = uncertainty.probability;
  }
  answers.confidence[at] = confidence ?? Number.NaN;
  if (verdict.exactMatch !== null) answers.exactMatch.push(verdict.exactMatch ? 1 : 0);
  if (verdict.tokenF1 !== null) answers.tokenF1.push(verdict.tokenF1);
  if (facts && facts.truncatedMass !== null) answers.truncatedMass.push(facts.truncatedMass);
}

/** Every condition's summary, in the plan's order. */
export function driftMetrics(rows: readonly Row<'drift'>[], mode: DriftMode): Record<string, DriftSummary> {
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

/** What an arm (as a rule the same) answered under the base prompt, and where there each question of a condition is; −1: nowhere. */
export interface Known {
  readonly answers: Answers;
  readonly places: Int32Array;
}

/** Finds the questions of a condition among those of the base prompt. */
export const knownOf = (base: Answers, answers: Answers): Known => ({
  answers: base,
  places: placesIn(placesOf(base), answers),
});
const placesOf = (base: Answers | null) => new Map(base?.questions.map((id, place) => [id, place]));
const placesIn = (placeInBase: ReadonlyMap<string, number>, { questions }: Answers) =>
  Int32Array.from(questions, (id) => placeInBase.get(id) ?? -1);

/** The flags of the same question and repeat under the base prompt. */
function flagsBefore({ answers, places }: Known, question: number, repeat: number): number {
  const place = places[question]!;
  return place < 0 || repeat >= answers.repeats ? 0 : answers.flags[place * answers.repeats + repeat]!;
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

/** Whether flags say correct. */
export const isRight = (flags: number) => (flags & correct) !== 0;
/** Null where there is no wrong answer to adopt. */
export const isAdopted = (flags: number) => ((flags & adoptable) === 0 ? null : (flags & adopted) !== 0);

/** The answers with a confidence. */
function judgedOf({ flags, confidence }: Answers): Judged[] {
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

/** Tallies by question; with `known`, only over repeats the same arm had right there. */
export function tallyAnswers(
  { questions, repeats, flags }: Answers,
  isPositive: (flags: number) => boolean | null,
  known?: Known,
): Tallies {
  const tallies = new Map<string, Tally>();
  for (let question = 0; question < questions.length; question++) {
    const asked: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      if (known && (flagsBefore(known, question, repeat) & correct) === 0) continue;
      asked.push(flags[question * repeats + repeat]!);
    }
    tallies.set(questions[question]!, tallyOf(asked, isPositive));
  }
  return tallies;
}

function tallyOf(asked: readonly number[], isPositive: (flags: number) => boolean | null): Tally {
  if (asked.length === 1) return tallyOne(asked[0] === 0 ? null : isPositive(asked[0]!));
  const outcomes = asked.map((flags) => (flags === 0 ? null : isPositive(flags)));
  return {
    positive: outcomes.filter((outcome) => outcome === true).length,
    scored: outcomes.filter((outcome) => outcome !== null).length,
    total: asked.length,
  };
}

/** Answers that changed from `from` to its opposite against the same arm's base prompt; with `among`, of what is right there. */
export function countFlips(
  { questions, repeats, flags }: Answers,
  known: Known,
  from: boolean,
  among?: Known,
): number {
  let flips = 0;
  for (let at = 0; at < questions.length * repeats; at++) {
    const place = [Math.floor(at / repeats), at % repeats] as const;
    if (among && !isRight(flagsBefore(among, ...place))) continue;
    const before = flagsBefore(known, ...place);
    if (before === 0 || flags[at] === 0) continue;
    const [was, is] = [(before & correct) !== 0, (flags[at]! & correct) !== 0];
    if (was === from && is !== from) flips++;
  }
  return flips;
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
export function flipExcess(rows: readonly Row<'drift'>[], mode: DriftMode): ArmSummary['flipExcess'] {
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
