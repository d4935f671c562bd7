import { type Completion, type Rows, tallyOne, type VerdictFacts } from './outcomes.ts';
import type { Tallies, Tally } from './rate.ts';

/** Answers to knowledge questions in columns, and what is counted of them. */

export type DriftMode = 'default' | 'paper';

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

export const answered = 1;
export const correct = 2;
const adopted = 4;
/** There was a wrong answer to adopt. */
const adoptable = 8;

/** Whether a verdict says correct, in either mode. */
export const isCorrect =
  (mode: DriftMode) =>
  (verdict: VerdictFacts<'drift'>): boolean =>
    mode === 'paper' ? verdict.paper.correct : verdict.label === 'correct';

/** Every question's answers, by condition in the plan's order. */
export function answersByCondition(rows: Rows<'drift'>, mode: DriftMode): Map<string, Answers> {
  const conditions = new Set<string>();
  for (const { item } of rows) conditions.add(item.condition);
  const under = (name: string) => rows.filter(({ item }) => item.condition === name);
  return new Map([...conditions].map((name) => [name, readAnswers(under(name), mode)]));
}

function readAnswers(rows: Rows<'drift'>, mode: DriftMode): Answers {
  const repeats = rows.at(0)?.completions.length ?? 0;
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
export const placesOf = (base: Answers | null) => new Map(base?.questions.map((id, place) => [id, place]));
export const placesIn = (placeInBase: ReadonlyMap<string, number>, { questions }: Answers) =>
  Int32Array.from(questions, (id) => placeInBase.get(id) ?? -1);

/** The flags of the same question and repeat under the base prompt. */
export function flagsBefore({ answers, places }: Known, question: number, repeat: number): number {
  const place = places[question]!;
  return place < 0 || repeat >= answers.repeats ? 0 : answers.flags[place * answers.repeats + repeat]!;
}

/** Whether flags say correct. */
export const isRight = (flags: number) => (flags & correct) !== 0;
/** Null where there is no wrong answer to adopt. */
export const isAdopted = (flags: number) => ((flags & adoptable) === 0 ? null : (flags & adopted) !== 0);

/** Tallies by question; with `known`, only over repeats the same arm had right there. */
export function tallyAnswers(
  { questions, repeats, flags }: Answers,
  isPositive: (flags: number) => boolean | null,
  known?: Known,
): Tallies {
  const values: Tally[] = [];
  for (let question = 0; question < questions.length; question++) {
    const asked: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      if (known && (flagsBefore(known, question, repeat) & correct) === 0) continue;
      asked.push(flags[question * repeats + repeat]!);
    }
    values.push(tallyOf(asked, isPositive));
  }
  return { keys: questions, values };
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
