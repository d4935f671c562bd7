import { basename } from 'node:path';
import type { Message } from './conversation.ts';
import { AuditError } from './errors.ts';
import type { Answers } from './suite.ts';
import { type Row, type RowProblem, readRows, refuseProblems } from './table.ts';
import type { TrainingRow } from './trainer.ts';
import { isSameAnswer } from './truth.ts';

/** Every reader takes JSON lines or CSV. `id` is the row's own where it has one, otherwise its place in the file from 0. */

/** A prompt with a better and a worse answer. */
export interface PreferenceRow {
  readonly id: string;
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** A request that a model ought to refuse. */
export interface HarmBehaviour {
  readonly id: string;
  readonly prompt: string;
  /** Text that a contextual behaviour refers to; null elsewhere. */
  readonly context: string | null;
  /** HarmBench's `standard`, `contextual` or `copyright`; null where the file has none. */
  readonly functionalCategory: string | null;
  readonly semanticCategory: string | null;
  /** How an answer would begin, for prefill attacks; left out where the file has none. */
  readonly opening?: string;
}

/** A request that a model ought to answer, though it may sound as if not. */
export interface BorderlinePrompt {
  readonly id: string;
  readonly prompt: string;
  readonly type: string | null;
  /** XSTest's contrast prompts are not harmless: they have no place in an over-refusal rate. */
  readonly harmless: boolean;
}

/** A knowledge question with a false statement that supports a wrong answer. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly answers: Answers;
  readonly context: string;
  /** Another question's context as an earlier experiment showed it. */
  readonly randomContext?: string;
}

/** Rows of {prompt, chosen, rejected}. @throws AuditError `data` with every problem of the file. */
export function readPreferences(path: string): PreferenceRow[] {
  return readEach(path, (row) => ({
    id: row.id(),
    prompt: row.text('prompt'),
    chosen: row.text('chosen'),
    rejected: row.text('rejected'),
  }));
}

/** Rows of {prompt, response} or {messages}, ready to train on. @throws AuditError `data` with every problem of the file. */
export function readResponses(path: string): TrainingRow[] {
  return readEach(path, (row) => ({
    id: row.id(),
    messages: row.has('messages')
      ? row.messages('messages')
      : [
          { role: 'user', content: row.text('prompt') },
          { role: 'assistant', content: row.text('response') },
        ],
  }));
}

const functionalCategories = ['standard', 'contextual', 'copyright'];

/**
 * HarmBench's CSV, JailbreakBench's CSV, or rows of {id, prompt, category, context, functionalCategory, opening}.
 * JailbreakBench's `Target` is an opening. A behaviour called contextual has a context.
 * @throws AuditError `data` with every problem of the file.
 * Source: github.com/centerforaisafety/HarmBench, huggingface.co/datasets/JailbreakBench/JBB-Behaviors (column names).
 */
export function readHarmPrompts(path: string): HarmBehaviour[] {
  return readEach(path, (row) => {
    if (row.has('ImageFileName')) row.problem('is a behaviour about an image; only text is supported');
    if (row.has('BehaviorID')) {
      return {
        id: row.text('BehaviorID'),
        prompt: row.text('Behavior'),
        ...contextOf(row, 'ContextString', 'FunctionalCategory'),
        semanticCategory: row.optional('SemanticCategory'),
        ...openingOf(row, 'opening'),
      };
    }
    if (row.has('Goal')) {
      return {
        id: row.optional('Index') ?? row.text('Behavior'),
        prompt: row.text('Goal'),
        context: null,
        functionalCategory: null,
        semanticCategory: row.optional('Category'),
        ...openingOf(row, 'Target'),
      };
    }
    return {
      id: row.id(),
      prompt: row.text('prompt'),
      ...contextOf(row, 'context', 'functionalCategory'),
      semanticCategory: row.optional('category'),
      ...openingOf(row, 'opening'),
    };
  });
}

function contextOf(row: RowReader, contextColumn: string, categoryColumn: string) {
  const context = row.optional(contextColumn);
  const functionalCategory = row.oneOf(categoryColumn, functionalCategories);
  if (functionalCategory === 'contextual' && context === null)
    row.problem(`${contextColumn}: is missing, though the behaviour is contextual`);
  return { context, functionalCategory };
}

function openingOf(row: RowReader, column: string): Pick<HarmBehaviour, 'opening'> {
  const opening = row.optional(column);
  return opening === null ? {} : { opening };
}

/**
 * Rows with `prompt` and `type` (XSTest) or `category` (OR-Bench).
 * A prompt is harmless unless its `label` is `unsafe` or, in XSTest's first version, its type starts with `contrast_`.
 * @throws AuditError `data` with every problem of the file.
 * Source: github.com/paul-rottger/xstest, huggingface.co/datasets/bench-llm/or-bench (column names).
 */
export function readBorderlinePrompts(path: string): BorderlinePrompt[] {
  return readEach(path, (row) => {
    const type = row.optional('type') ?? row.optional('category');
    const label = row.oneOf('label', ['safe', 'unsafe']);
    return {
      id: row.id(),
      prompt: row.text('prompt'),
      type,
      harmless: label === null ? !type?.startsWith('contrast_') : label === 'safe',
    };
  });
}

/**
 * Rows of {id, question, true_answer, aliases?, wrong_answer, context, random_context?}; in CSV, aliases are separated by `|`.
 * @throws AuditError `data` with every problem of the file; also where the wrong answer is a true one.
 */
export function readQuestions(path: string): Question[] {
  const questions = readEach(path, (row) => {
    const randomContext = row.optional('random_context');
    const question = {
      id: row.id(),
      question: row.text('question'),
      answers: {
        gold: [...new Set([row.text('true_answer'), ...row.list('aliases')])],
        wrong: row.text('wrong_answer'),
      },
      context: row.text('context'),
      ...(randomContext !== null && { randomContext }),
    };
    const { gold, wrong } = question.answers;
    const same = wrong !== '' && gold.find((answer) => isSameAnswer(answer, wrong));
    if (same)
      row.problem(`wrong_answer: ${JSON.stringify(wrong)} is the true answer ${JSON.stringify(same)}`);
    return question;
  });
  const recorded = questions.filter(({ randomContext }) => randomContext !== undefined).length;
  if (recorded > 0 && recorded < questions.length) {
    throw new AuditError('data', `${path}: ${recorded} of ${questions.length} rows have a random_context`, {
      hint: 'give every row one, to be asked as recorded, or none, to have them drawn by the seed',
    });
  }
  return questions;
}

/** A row that notes what is wrong with it instead of throwing, so that a file's problems come all at once. */
export interface RowReader {
  has(name: string): boolean;
  id(): string;
  /** Not blank; a number is taken as text. */
  text(name: string): string;
  optional(name: string): string | null;
  /** In lower case. */
  oneOf(name: string, allowed: readonly string[]): string | null;
  list(name: string): string[];
  /** As it is in the file. */
  value(name: string): unknown;
  messages(name: string): Message[];
  problem(text: string): void;
}

/** @throws AuditError `data` with every problem of the file; also when two rows have the same id. */
export function readEach<T extends { readonly id: string }>(path: string, read: (row: RowReader) => T): T[] {
  const problems: RowProblem[] = [];
  const rows = readRows(path, problems);
  const values = rows.map((row, index) => read(readerOf(row, index, problems)));
  const firstLine = new Map<string, number>();
  values.forEach(({ id }, index) => {
    const line = rows[index]!.line;
    const first = firstLine.get(id);
    if (first === undefined) firstLine.set(id, line);
    else if (id !== '') problems.push({ line, text: `id ${JSON.stringify(id)} is on line ${first} too` });
  });
  const columns = rows[0]
    ? ` (the first row of ${basename(path)} has: ${Object.keys(rows[0].values).join(', ')})`
    : '';
  refuseProblems(path, problems, `mend the lines named above${columns}`);
  return values;
}

function readerOf({ line, values }: Row, index: number, problems: RowProblem[]): RowReader {
  const problem = (text: string) => void problems.push({ line, text });
  const has = (name: string) =>
    Object.hasOwn(values, name) && values[name] !== undefined && values[name] !== null;
  const optional = (name: string): string | null => {
    if (!has(name)) return null;
    const value = values[name];
    if (typeof value !== 'string' && typeof value !== 'number') {
      problem(`${name}: expected text`);
      return null;
    }
    const text = String(value);
    return text.trim() === '' ? null : text;
  };
  const text = (name: string): string => {
    const before = problems.length;
    const value = optional(name);
    if (value === null && problems.length === before)
      problem(`${name}: ${has(name) ? 'is empty' : 'is missing'}`);
    return value ?? '';
  };
  const list = (name: string): string[] => {
    if (!has(name)) return [];
    const value = values[name];
    if (typeof value === 'string')
      return value
        .split('|')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== '');
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string'))
      return value.filter((entry) => entry.trim() !== '');
    problem(`${name}: expected a list of texts`);
    return [];
  };
  const oneOf = (name: string, allowed: readonly string[]): string | null => {
    const value = optional(name)?.toLowerCase() ?? null;
    if (value === null || allowed.includes(value)) return value;
    problem(`${name}: expected ${allowed.join(' or ')}, got ${JSON.stringify(value.slice(0, 60))}`);
    return null;
  };
  return {
    has,
    id: () => optional('id') ?? String(index),
    text,
    optional,
    oneOf,
    list,
    value: (name) => values[name],
    messages: (name) => readMessages(values[name], problem),
    problem,
  };
}

function readMessages(value: unknown, problem: (text: string) => void): Message[] {
  const isMessage = (entry: unknown): entry is Message =>
    entry !== null &&
    typeof entry === 'object' &&
    ['system', 'user', 'assistant'].includes((entry as Message).role) &&
    typeof (entry as Message).content === 'string' &&
    (entry as Message).content.trim() !== '';
  if (!Array.isArray(value) || !value.every(isMessage)) {
    problem('messages: expected a list of { role: system, user or assistant, content: text }');
    return [];
  }
  const roles = value.map((message) => message.role);
  if (roles.at(-1) !== 'assistant') problem('messages: the last one must be the assistant’s');
  if (!roles.includes('user')) problem('messages: there is no user turn');
  return value.map(({ role, content }) => ({ role, content }));
}
