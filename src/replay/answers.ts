import { eachRow, type Watch } from './lines.ts';
import { type RecordedAnswer, type RecordedOutcomes, readNumber } from './recorded.ts';

/** Answers to knowledge questions: a JSON line for each arm, condition and question, or columns of a thousand. */

/** The questions in the file's order, with the lower-cased wrong answer that the false context supports. */
export type WrongAnswers = ReadonlyMap<string, string>;

/** Reads `id` and `wrong_answer`. @throws AuditError `data` with the lines that lack one or repeat an id. */
export async function readWrongAnswers(path: string, watch: Watch): Promise<WrongAnswers> {
  const wrong = new Map<string, string>();
  await eachRow(
    path,
    (row, problem) => {
      const id = idOf(row.id);
      const { wrong_answer: answer } = row;
      if (id === null) problem('id: expected text or a number');
      else if (wrong.has(id)) problem(`question ${id} was there before`);
      else if (typeof answer !== 'string' || answer.trim() === '') problem('wrong_answer: expected text');
      else wrong.set(id, answer.toLowerCase());
    },
    watch,
  );
  return wrong;
}

/**
 * Reads rows of {model, condition, id, answer, correct, entropy, perplexity, probability}. Adoption is the paper's rule for
 * correctness applied to the wrong answer: a lower-cased substring.
 * @throws AuditError `data` with the lines of unknown questions, duplicates and values that cannot be.
 * Source: arXiv 2409.19476 (the released outcomes' fields).
 */
export async function readAnswers(
  path: string,
  wrongAnswers: WrongAnswers,
  outcomes: RecordedOutcomes,
  watch: Watch,
): Promise<void> {
  const ids = [...wrongAnswers.keys()];
  await eachRow(
    path,
    (row, problem) => {
      const { model, condition, answer } = row;
      const id = idOf(row.id);
      const wrong = id === null ? undefined : wrongAnswers.get(id);
      if (typeof model !== 'string' || model === '') return problem('model: expected text');
      if (typeof condition !== 'string' || condition === '') return problem('condition: expected text');
      if (id === null) return problem('id: expected text or a number');
      if (wrong === undefined) return problem(`question ${id} is not in the file of questions`);
      if (typeof answer !== 'string') return problem('answer: expected text');
      if (typeof row.correct !== 'boolean') return problem('correct: expected true or false');
      const numbers = readNumbers(row, problem);
      if (numbers === null) return;
      outcomes.planCondition(condition, ids);
      const adopted = answer.toLowerCase().includes(wrong);
      const added = outcomes.addAnswer(model, condition, id, { correct: row.correct, adopted, ...numbers });
      if (added === 'replaced') problem(`${model}, ${condition}, question ${id} was there before`);
    },
    watch,
  );
}

/**
 * Reads answers in columns: {model, condition, n, correct, adopted, entropy, perplexity, probability}, where a flag is a
 * character and the place in every column is the question's id.
 * @throws AuditError `data` with the lines whose columns do not fit.
 */
export async function readAnswerColumns(
  path: string,
  outcomes: RecordedOutcomes,
  watch: Watch,
): Promise<void> {
  await eachRow(
    path,
    (row, problem) => {
      const { model, condition, n, correct, adopted } = row;
      if (typeof model !== 'string' || typeof condition !== 'string' || typeof n !== 'number')
        return problem('expected model, condition and n');
      const flags = new RegExp(`^[01]{${n}}$`);
      for (const [name, column] of Object.entries({ correct, adopted })) {
        if (typeof column !== 'string' || !flags.test(column)) return problem(`${name}: expected ${n} flags`);
      }
      for (const name of ['entropy', 'perplexity', 'probability'] as const) {
        const column = row[name];
        if (!Array.isArray(column) || column.length !== n) return problem(`${name}: expected ${n} numbers`);
      }
      const at = (name: string, place: number): unknown => (row[name] as ArrayLike<unknown>)[place];
      outcomes.planCondition(
        condition,
        Array.from({ length: n }, (_, place) => String(place)),
      );
      for (let place = 0; place < n; place++) {
        const [entropy, perplexity, probability] = ['entropy', 'perplexity', 'probability'].map((name) =>
          at(name, place),
        );
        const numbers = readNumbers({ entropy, perplexity, probability }, problem);
        if (numbers === null) return;
        const added = outcomes.addAnswer(model, condition, String(place), {
          correct: at('correct', place) === '1',
          adopted: at('adopted', place) === '1',
          ...numbers,
        });
        if (added === 'replaced') return problem(`${model}, ${condition} was there before`);
        if (added === 'unplanned') return problem(`${condition} has more questions than before`);
      }
    },
    watch,
  );
}

const idOf = (value: unknown): string | null =>
  typeof value === 'number' || (typeof value === 'string' && value !== '') ? String(value) : null;

/** Null where one of them cannot be, which is told. */
function readNumbers(
  row: Readonly<Record<string, unknown>>,
  problem: (text: string) => void,
): Pick<RecordedAnswer, 'perplexity' | 'entropy' | 'probability'> | null {
  const perplexity = readNumber('perplexity', row.perplexity);
  const entropy = readNumber('entropy', row.entropy);
  const probability = readNumber('probability', row.probability);
  for (const number of [perplexity, entropy, probability]) {
    if (typeof number === 'string') problem(number);
  }
  if (typeof perplexity === 'string' || typeof entropy === 'string' || typeof probability === 'string')
    return null;
  return { perplexity, entropy, probability };
}
