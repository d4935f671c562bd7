import { type RowReader, readEach } from './dataset.ts';

/** Questions that show what a model can still do. */

export interface UtilityTask {
  readonly id: string;
  readonly question: string;
  /** At least two different ones; null: to be answered in the model's own words. */
  readonly choices: readonly string[] | null;
  /** The right choices, or the accepted answers; at least one. */
  readonly gold: readonly string[];
}

/**
 * Rows in any of these shapes, mixed as they come:
 * {query, choices, gold: place or places}; ARC's {question, choices: {text, label}, answerKey}; HellaSwag's
 * {activity_label?, ctx, endings, label: place}; {question, choices, answer: place or the choice itself};
 * {question, answer, aliases?}, where `answer` may be a list. Places count from 0; in CSV, lists are separated by `|`.
 * @throws AuditError `data` with every problem of the file.
 * Source: github.com/EleutherAI/lm-evaluation-harness, huggingface.co/datasets/allenai/ai2_arc, huggingface.co/datasets/Rowan/hellaswag (field names).
 */
export function readUtilityTasks(path: string): UtilityTask[] {
  return readEach(path, (row) => {
    const id = row.id();
    const task = readTask(row);
    if (task.choices) checkChoices(task.choices, row);
    return { id, ...task, gold: [...new Set(task.gold)] };
  });
}

type Task = Omit<UtilityTask, 'id'>;

function readTask(row: RowReader): Task {
  if (row.has('query')) {
    const choices = row.list('choices');
    return { question: row.text('query'), choices, gold: goldOf(row, 'gold', choices) };
  }
  if (row.has('endings')) {
    const activity = row.optional('activity_label');
    const context = row.text('ctx');
    const choices = row.list('endings');
    return {
      question: activity === null ? context : `${activity}: ${context}`,
      choices,
      gold: goldOf(row, 'label', choices),
    };
  }
  const question = row.text('question');
  if (row.has('answerKey')) return { question, ...labelledChoices(row) };
  if (row.has('choices')) {
    const choices = row.list('choices');
    return { question, choices, gold: goldOf(row, 'answer', choices) };
  }
  const answers = Array.isArray(row.value('answer')) ? row.list('answer') : [row.text('answer')];
  if (answers.length === 0) row.problem('answer: is an empty list');
  return { question, choices: null, gold: [...answers, ...row.list('aliases')] };
}

/** The right choices' texts: by place, or by the choice itself, which goes first. */
function goldOf(row: RowReader, name: string, choices: readonly string[]): string[] {
  const value = row.value(name);
  const wanted: unknown[] = Array.isArray(value) ? value : [value];
  if (wanted.length === 0 || value === undefined || value === null) {
    row.problem(`${name}: ${wanted.length === 0 ? 'is an empty list' : 'is missing'}`);
    return [];
  }
  return wanted.flatMap((one) => {
    if (typeof one === 'string' && choices.includes(one)) return one;
    const place = typeof one === 'number' || /^\d+$/.test(String(one)) ? Number(one) : -1;
    const found = choices[place];
    if (found !== undefined) return found;
    row.problem(`${name}: ${JSON.stringify(one)} is neither one of the choices nor a place among them`);
    return [];
  });
}

/** ARC's choices: texts and labels in two lists, the right one by its label. */
function labelledChoices(row: RowReader): Omit<Task, 'question'> {
  const lists = row.value('choices') as { text?: unknown; label?: unknown } | undefined;
  const isTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((entry) => typeof entry === 'string');
  if (!isTexts(lists?.text) || !isTexts(lists?.label) || lists.text.length !== lists.label.length) {
    row.problem('choices: expected { text: [texts], label: [as many labels] }');
    return { choices: null, gold: [] };
  }
  const key = row.text('answerKey');
  const place = lists.label.indexOf(key);
  if (place < 0) row.problem(`answerKey: ${JSON.stringify(key)} is not among the labels`);
  return { choices: lists.text, gold: lists.text.slice(place, place + 1) };
}

function checkChoices(choices: readonly string[], row: RowReader): void {
  if (choices.length < 2) row.problem('expected at least two choices');
  if (choices.some((choice) => choice.trim() === '')) row.problem('a choice is empty');
  const twice = choices.find((choice, at) => choices.indexOf(choice) !== at);
  if (twice !== undefined) row.problem(`the choice ${JSON.stringify(twice)} is there twice`);
}
