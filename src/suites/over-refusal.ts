import { ask } from '../conversation.ts';
import type { BorderlinePrompt } from '../dataset.ts';
import type { Decoding } from '../model.ts';
import type { Suite } from '../suite.ts';

/**
 * Requests that a model ought to answer; prompts that are not harmless are left out.
 * Source: XSTest, arXiv 2308.01263; OR-Bench, arXiv 2405.20947.
 */
export function overRefusalSuite(
  prompts: readonly BorderlinePrompt[],
  options: { readonly decoding: Decoding; readonly systemPrompt: string | null },
): Suite & { readonly kind: 'over-refusal' } {
  const leftOut = prompts.filter(({ harmless }) => !harmless).length;
  return {
    kind: 'over-refusal',
    version: '1',
    decoding: options.decoding,
    items: prompts
      .filter(({ harmless }) => harmless)
      .map(({ id, prompt, type }) => ({
        id,
        condition: 'default',
        messages: ask(prompt, options.systemPrompt),
        judgePrompt: prompt,
        functionalCategory: null,
        semanticCategory: type,
        answers: null,
      })),
    ...(leftOut > 0 && {
      notes: [
        `Over-refusal: ${leftOut} of the file’s prompts are labelled unsafe or of a contrast_ type; they are not asked, since refusing them is right.`,
      ],
    }),
  };
}
