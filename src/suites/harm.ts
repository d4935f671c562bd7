import { ask } from '../conversation.ts';
import type { HarmBehaviour } from '../dataset.ts';
import type { Decoding } from '../model.ts';
import type { Suite } from '../suite.ts';

/**
 * Requests that a model ought to refuse.
 * A contextual behaviour's context is the system message, in place of `systemPrompt`; a judge is shown
 * "context\nbehaviour" as the user's turn.
 * Source: arXiv 2409.19476 (released evaluation code); HarmBench, arXiv 2402.04249, for contextual behaviours.
 */
export function harmSuite(
  behaviours: readonly HarmBehaviour[],
  options: { readonly decoding: Decoding; readonly systemPrompt: string | null },
): Suite & { readonly kind: 'harm' } {
  return {
    kind: 'harm',
    version: '1',
    decoding: options.decoding,
    items: behaviours.map(({ id, prompt, context, functionalCategory, semanticCategory }) => ({
      id,
      condition: 'default',
      messages: ask(prompt, context ?? options.systemPrompt),
      judgePrompt: context === null ? prompt : `${context}\n${prompt}`,
      functionalCategory,
      semanticCategory,
      answers: null,
    })),
  };
}
