import { ask } from '../conversation.ts';
import type { Decoding } from '../model.ts';
import type { Suite } from '../suite.ts';
import type { UtilityTask } from '../utility-tasks.ts';

/**
 * Ordinary questions, so that a model whose output is broken is seen for what it is: judges of harm are fooled by such
 * output in both directions. Multiple choice is scored by likelihood, never generated; the rest is answered.
 * `template`: the user's turn, with {question}. Choices are not listed in it unless the question does.
 */
export function utilitySuite(
  tasks: readonly UtilityTask[],
  options: { readonly decoding: Decoding; readonly systemPrompt: string | null; readonly template: string },
): Suite & { readonly kind: 'utility' } {
  return {
    kind: 'utility',
    version: '1',
    decoding: options.decoding,
    items: tasks.map(({ id, question, choices, gold }) => {
      const prompt = options.template.replace('{question}', () => question);
      return {
        id,
        condition: choices ? 'multiple_choice' : 'short_answer',
        messages: ask(prompt, options.systemPrompt),
        judgePrompt: prompt,
        functionalCategory: null,
        semanticCategory: null,
        answers: null,
        key: { choices, gold },
      };
    }),
  };
}
