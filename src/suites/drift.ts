import { ask } from '../conversation.ts';
import type { Question } from '../dataset.ts';
import { AuditError } from '../errors.ts';
import type { Decoding } from '../model.ts';
import type { Suite, SuiteItem } from '../suite.ts';
import { containsAnswer } from '../truth.ts';
import { assignDonors } from './donors.ts';

export const driftConditions = ['base_prompt', 'false_context', 'random_context'] as const;
export type DriftCondition = (typeof driftConditions)[number];

export interface DriftOptions {
  readonly decoding: Decoding;
  readonly systemPrompt: string | null;
  readonly conditions: readonly DriftCondition[];
  /** The user's turn under base_prompt: holds {question}. */
  readonly template: string;
  /** The user's turn under the other conditions: holds {context} and {question}. */
  readonly contextTemplate: string;
  /** How often the context is stated, with a space between; several numbers are a dose response. */
  readonly contextRepeats: number | readonly number[];
  /** Of the random contexts. */
  readonly seed: number;
}

/**
 * Knowledge questions, asked plainly, after a false statement that supports a wrong answer, and after another
 * question's statement. Items come condition by condition; an item keeps its question's id under each. The first
 * number of repeats has the plain condition's name, a further one n has `false_context_xn`.
 * @throws AuditError `config` when a template lacks a placeholder; `data` when no fitting random contexts exist.
 * Source: arXiv 2409.19476, section on knowledge drift.
 */
export function driftSuite(
  questions: readonly Question[],
  options: DriftOptions,
): Suite & { readonly kind: 'drift' } {
  checkTemplates(options);
  return {
    kind: 'drift',
    version: '1',
    decoding: options.decoding,
    items: driftItems(questions, options),
    ...notesOf(questions),
  };
}

/**
 * Drift's prompts once more, to be sampled: how far the answers' meanings spread. A judge of entailment is shown the bare
 * question. `ids`: of which questions; random contexts are those of the whole suite.
 */
export function entropySuite(
  questions: readonly Question[],
  ids: ReadonlySet<string>,
  options: DriftOptions,
): Suite & { readonly kind: 'semantic-entropy' } {
  const questionOf = new Map(questions.map(({ id, question }) => [id, question]));
  return {
    kind: 'semantic-entropy',
    version: '1',
    decoding: options.decoding,
    items: driftItems(questions, options)
      .filter(({ id }) => ids.has(id))
      .map((item) => ({ ...item, judgePrompt: questionOf.get(item.id)! })),
  };
}

function driftItems(questions: readonly Question[], options: DriftOptions): SuiteItem[] {
  const doses = [options.contextRepeats].flat();
  return options.conditions.flatMap((condition) => {
    const contexts = contextsUnder(condition, questions, options.seed);
    return (condition === 'base_prompt' ? doses.slice(0, 1) : doses).flatMap((repeats, at) =>
      itemsUnder(at === 0 ? condition : `${condition}_x${repeats}`, questions, contexts, repeats, options),
    );
  });
}

function itemsUnder(
  condition: string,
  questions: readonly Question[],
  contexts: readonly string[],
  repeats: number,
  options: DriftOptions,
): SuiteItem[] {
  return questions.map(({ id, question, answers }, index) => {
    const context = contexts[index] ?? null;
    const prompt =
      context === null
        ? fill(options.template, { question })
        : fill(options.contextTemplate, {
            question,
            context: Array(repeats).fill(context).join(' '),
          });
    return {
      id,
      condition,
      messages: ask(prompt, options.systemPrompt),
      judgePrompt: prompt,
      functionalCategory: null,
      semanticCategory: null,
      answers,
      ...(context !== null && Array.isArray(options.contextRepeats) && { contextRepeats: repeats }),
    };
  });
}

/** Per question; none under base_prompt. */
function contextsUnder(condition: DriftCondition, questions: readonly Question[], seed: number): string[] {
  switch (condition) {
    case 'base_prompt':
      return [];
    case 'false_context':
      return questions.map(({ context }) => context);
    case 'random_context':
      return (
        recordedContexts(questions) ?? assignDonors(questions, seed).map((donor) => questions[donor]!.context)
      );
    default:
      throw new Error(`internal: no condition ${condition satisfies never}`);
  }
}

/** Of an experiment that is asked again as it was; null unless every question has one. */
function recordedContexts(questions: readonly Question[]): string[] | null {
  const recorded = questions.flatMap(({ randomContext }) => randomContext ?? []);
  return recorded.length === questions.length ? recorded : null;
}

/** What adoption and accuracy cannot mean for some questions, counted. */
function notesOf(questions: readonly Question[]): Pick<Suite, 'notes'> {
  const count = (matches: (question: Question) => boolean) => questions.filter(matches).length;
  const unsupported = count(
    ({ context, answers }) => answers.wrong !== null && !containsAnswer(context, answers.wrong),
  );
  const both = count(({ answers: { gold, wrong } }) =>
    gold.some((answer) => wrong !== null && containsAnswer(wrong, answer)),
  );
  const given = count(({ randomContext, answers }) =>
    [...answers.gold, ...(answers.wrong === null ? [] : [answers.wrong])].some((answer) =>
      containsAnswer(randomContext ?? '', answer),
    ),
  );
  const notes = [
    ...(unsupported > 0
      ? [`Knowledge: ${unsupported} of ${questions.length} false contexts do not hold their wrong answer.`]
      : []),
    ...(both > 0
      ? [
          `Knowledge: the wrong answer holds the true one in ${both} of ${questions.length} questions; who adopts it is right as well.`,
        ]
      : []),
    ...(given > 0
      ? [
          `Knowledge: ${given} of ${questions.length} recorded random contexts hold an answer to their question.`,
        ]
      : []),
  ];
  return notes.length > 0 ? { notes } : {};
}

/** In one pass, so that braces inside a question or context stay as they are. */
function fill(template: string, values: { question: string; context?: string }): string {
  return template.replace(
    /\{(question|context)\}/g,
    (placeholder, name: 'question' | 'context') => values[name] ?? placeholder,
  );
}

function checkTemplates({ template, contextTemplate }: DriftOptions): void {
  const problems = [
    ...(template.includes('{question}') ? [] : ['template: lacks {question}']),
    ...(template.includes('{context}')
      ? ['template: holds {context}, but there is none under base_prompt']
      : []),
    ...(contextTemplate.includes('{question}') ? [] : ['contextTemplate: lacks {question}']),
    ...(contextTemplate.includes('{context}') ? [] : ['contextTemplate: lacks {context}']),
  ];
  if (problems.length === 0) return;
  throw new AuditError('config', 'drift: a template does not fit', {
    problems,
    hint: 'write {question} and {context} where they belong',
  });
}
