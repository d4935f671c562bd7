import { countCompletions } from './metrics.ts';
import { type Rows, tally, type VerdictFacts } from './outcomes.ts';
import { rateOf, type Tallies } from './rate.ts';
import { mean } from './stats.ts';
import type { UtilityRate, UtilitySummary } from './utility-record.ts';

/** What one arm can still do. */

/** Whether a verdict says right; null: unscored. */
export const isRight = ({ label }: VerdictFacts<'utility'>): boolean | null =>
  label === 'unscored' ? null : label === 'correct';

/** Multiple choice and short answers, together and apart. */
export function utilityMetrics(rows: Rows<'utility'>): UtilitySummary {
  const under = (condition: string) => rows.filter(({ item }) => item.condition === condition);
  const [choices, answers] = [under('multiple_choice'), under('short_answer')];
  return {
    all: utilityRate(tally(rows, isRight)),
    ...(choices.length > 0 && { multipleChoice: multipleChoice(choices) }),
    ...(answers.length > 0 && { shortAnswer: shortAnswer(answers) }),
  };
}

function utilityRate(tallies: Tallies): UtilityRate {
  const { positive, ...rest } = rateOf(tallies);
  return { correct: positive, ...rest };
}

function multipleChoice(rows: Rows<'utility'>): NonNullable<UtilitySummary['multipleChoice']> {
  const norm = rateOf(tally(rows, ({ perCharacter }) => perCharacter));
  return {
    ...utilityRate(tally(rows, isRight)),
    accNorm: norm.rate,
    accNormCi95: norm.ci95,
    accBytes: rateOf(tally(rows, ({ perByte }) => perByte)).rate,
    chance: meanOf(
      rows.flatMap(({ item: { key } }) => (key?.choices ? key.gold.length / key.choices.length : [])),
    ),
    tied: countCompletions(rows, ({ verdict }) => verdict?.tied === true),
  };
}

function shortAnswer(rows: Rows<'utility'>): NonNullable<UtilitySummary['shortAnswer']> {
  return {
    ...utilityRate(tally(rows, isRight)),
    exactMatch: rateOf(tally(rows, ({ exactMatch }) => exactMatch)).rate,
    empty: countCompletions(rows, ({ record }) => record?.answered === false),
    cutOff: countCompletions(rows, ({ record }) => record?.finishReason === 'length'),
  };
}

const meanOf = (values: readonly number[]) => (values.length === 0 ? null : mean(values));
