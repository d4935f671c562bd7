import { type Answers, answersByCondition } from '../drift-answers.ts';
import { joinOutcomes, type RowsOf } from '../outcomes.ts';
import type { DriftSummary } from '../record.ts';
import { isEmpty } from '../records.ts';
import { answeredUnder } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteKind } from '../suite.ts';

/** What figures of single answers rest on: the outcomes as the summary saw them. */

const joined = new WeakMap<ReportInput, RowsOf | null>();

/** Null where the input has the summary alone. One join serves all figures. */
export function outcomesOf(input: ReportInput): RowsOf | null {
  let rowsOf = joined.get(input);
  if (rowsOf === undefined) {
    const { suites, items, verdicts } = input;
    const known = suites.length > 0 && !isEmpty(verdicts);
    rowsOf = input.rowsOf ?? (known ? joinOutcomes(suites, items, verdicts) : null);
    joined.set(input, rowsOf);
  }
  return rowsOf;
}

/** One arm's single answers under one condition, with the summary's numbers of them. */
export interface AnswersUnder {
  readonly condition: string;
  readonly arm: string;
  readonly drift: DriftSummary;
  readonly answers: Answers;
  /** The same arm's under its base prompt; undefined where that was not asked. */
  readonly base: Answers | undefined;
}

/** Condition by condition, every arm's answers as the suite's first judge saw them; empty without single outcomes. */
export function answersUnder(input: ReportInput): AnswersUnder[] {
  const rowsOf = outcomesOf(input);
  const [judge] = judgesOf(input, 'drift');
  if (!rowsOf || !judge) return [];
  const answered = answeredUnder(input.summary, 'drift');
  const modes = new Map(answered.map(({ arm, drift }) => [arm, drift.mode]));
  const byArm = new Map([...modes].map(([arm, mode]) => [arm, answersByCondition(rowsOf(arm, judge), mode)]));
  return answered.flatMap(({ condition, arm, drift }) => {
    const answers = byArm.get(arm)?.get(condition);
    return answers ? [{ condition, arm, drift, answers, base: byArm.get(arm)?.get('base_prompt') }] : [];
  });
}

/** The judges of one suite, as `rowsOf` wants them. */
export function judgesOf<K extends SuiteKind>({ summary }: ReportInput, suite: K) {
  return summary.judges.flatMap(({ suite: own, name, version, fingerprint }) =>
    own === suite ? [{ suite, name, version, fingerprint }] : [],
  );
}
