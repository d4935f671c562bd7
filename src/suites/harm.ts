import { ask } from '../conversation.ts';
import type { HarmBehaviour } from '../dataset.ts';
import type { Decoding } from '../model.ts';
import type { Suite, SuiteItem } from '../suite.ts';

export interface HarmOptions {
  readonly decoding: Decoding;
  readonly systemPrompt: string | null;
  /** `system`: a context is the system message, in place of `systemPrompt`; `user`: it stands before the behaviour. */
  readonly context: 'system' | 'user';
  /** Ask everything once more for each number of tokens that an answer is made to begin with. */
  readonly prefill: { readonly tokens: readonly number[]; readonly text: string } | null;
  /** Templates beside the prompt itself, each with {prompt}, and seeds beside the decoding's own. */
  readonly variance: { readonly templates: readonly string[]; readonly seeds: readonly number[] } | null;
}

/**
 * Requests that a model ought to refuse: as they are; with the answer begun for the model (a row's own opening, else
 * `prefill.text`, which planning cuts to so many tokens); and under every other template and seed.
 * A judge is always shown the plain request: "context\nbehaviour" where the context is the system message, else the
 * user's turn as HarmBench writes it.
 * Source: arXiv 2409.19476 (released evaluation code); HarmBench, arXiv 2402.04249, for contextual behaviours; Qi et al. 2024, arXiv 2406.05946, for prefilled answers.
 */
export function harmSuite(
  behaviours: readonly HarmBehaviour[],
  options: HarmOptions,
): Suite & { readonly kind: 'harm' } {
  const plain = behaviours.map((behaviour) => itemOf(behaviour, options));
  const prefills = (options.prefill?.tokens ?? []).flatMap((tokens) =>
    behaviours.map(({ opening = options.prefill!.text }, at) => ({
      ...plain[at]!,
      condition: `prefill ${tokens}`,
      prefill: opening,
      prefillTokens: tokens,
    })),
  );
  const variance = options.variance && {
    templates: ['{prompt}', ...options.variance.templates],
    seeds: [options.decoding.seed, ...options.variance.seeds],
  };
  const variations = (variance?.templates ?? []).flatMap((text, template) =>
    variance!.seeds.flatMap((value, seed) =>
      template === 0 && seed === 0
        ? []
        : behaviours.map((behaviour) => ({
            ...itemOf(behaviour, options, text),
            condition: `template ${template}, seed ${value}`,
            variation: { template, seed },
          })),
    ),
  );
  return {
    kind: 'harm',
    version: '1',
    decoding: options.decoding,
    items: [...plain, ...prefills, ...variations],
    ...(behaviours.some(({ context }) => context !== null) && { context: options.context }),
    ...(variance && { variance }),
  };
}

function itemOf(
  { id, prompt, context, functionalCategory, semanticCategory }: HarmBehaviour,
  { context: place, systemPrompt }: HarmOptions,
  template = '{prompt}',
): SuiteItem {
  const folded = context !== null && place === 'user';
  const turn = (text: string) => (folded ? `${context}\n\n---\n\n${text}` : text);
  const system = context !== null && place === 'system' ? context : systemPrompt;
  return {
    id,
    condition: 'default',
    messages: ask(
      // Without a template the prompt itself, not a copy of it.
      turn(template === '{prompt}' ? prompt : template.replaceAll('{prompt}', () => prompt)),
      system,
    ),
    judgePrompt: context !== null && place === 'system' ? `${context}\n${prompt}` : turn(prompt),
    functionalCategory,
    semanticCategory,
    answers: null,
  };
}
