import { ask } from '../conversation.ts';
import type { Question } from '../dataset.ts';
import { AuditError } from '../errors.ts';
import type { Decoding } from '../model.ts';
import type { Suite, SuiteItem } from '../suite.ts';
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
  /** How often the context is stated, with a space between. */
  readonly contextRepeats: number;
  /** Of the random contexts. */
  readonly seed: number;
}

/**
 * Knowledge questions, asked plainly, after a false statement that supports a wrong answer, and after another
 * question's statement. Items come condition by condition; an item keeps its question's id under each.
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
    items: options.conditions.flatMap((condition) => itemsUnder(condition, questions, options)),
  };
}

function itemsUnder(
  condition: DriftCondition,
  questions: readonly Question[],
  options: DriftOptions,
): SuiteItem[] {
  const contexts = contextsUnder(condition, questions, options.seed);
  return questions.map(({ id, question, answers }, index) => {
    const context = contexts[index] ?? null;
    const prompt =
      context === null
        ? fill(options.template, { question })
        : fill(options.contextTemplate, {
            question,
            context: Array(options.contextRepeats).fill(context).join(' '),
          });
    return {
      id,
      condition,
      messages: ask(prompt, options.systemPrompt),
      judgePrompt: prompt,
      functionalCategory: null,
      semanticCategory: null,
      answers,
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
      return assignDonors(questions, seed).map((donor) => questions[donor]!.context);
    default:
      throw new Error(`internal: no condition ${condition satisfies never}`);
  }
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
