import {
  type Answers,
  answersByCondition,
  countFlips,
  type DriftMode,
  isAdopted,
  isRight,
  type Known,
  knownOf,
  tallyAnswers,
} from './drift-answers.ts';
import type { KnownSubset } from './drift-record.ts';
import type { Rows } from './outcomes.ts';
import { rateOf } from './rate.ts';
import type { DriftSummary } from './record.ts';

/** Under each condition: what became of the questions that the arm, and that the base arm, had right without a context. */
export function knownSubsets(
  rows: Rows<'drift'>,
  baseRows: Rows<'drift'>,
  mode: DriftMode,
): Record<string, Pick<DriftSummary, 'knownByArm' | 'knownByBase'>> {
  const conditions = answersByCondition(rows, mode);
  const own = conditions.get('base_prompt');
  const theirs = answersByCondition(baseRows, mode).get('base_prompt');
  if (!own || !theirs) return {};
  return Object.fromEntries(
    [...conditions].map(([name, answers]) => {
      const [byArm, byBase] = [knownOf(own, answers), knownOf(theirs, answers)];
      return [name, { knownByArm: among(answers, byArm, byArm), knownByBase: among(answers, byArm, byBase) }];
    }),
  );
}

/** Answers to what `known` had right, repeat by repeat; flips are against `own`, the arm's own base prompt. */
function among(answers: Answers, own: Known, known: Known): KnownSubset {
  const accuracy = rateOf(tallyAnswers(answers, isRight, known));
  const adoption = rateOf(tallyAnswers(answers, isAdopted, known));
  return {
    n: accuracy.scored,
    accuracy: accuracy.rate,
    accuracyCi95: accuracy.ci95,
    adoption: adoption.rate,
    adoptionCi95: adoption.ci95,
    correctToWrong: countFlips(answers, own, true, known),
    wrongToCorrect: countFlips(answers, own, false, known),
  };
}
