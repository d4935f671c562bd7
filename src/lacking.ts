import { canaryDistance, isMoved } from './canary.ts';
import type { Config } from './config.ts';
import { AuditError } from './errors.ts';
import type { LanguageModel, ModelLacks } from './model.ts';
import type { ServerRecord } from './server-record.ts';
import type { Suite } from './suite.ts';

/**
 * Refuses what a config asks of a model that does not give it, before anything is asked.
 * @throws AuditError `unsupported` with everything that is lacking, who needs it, and what would help.
 */
export function refuseLacking(
  { keepTopLogprobs }: Pick<Config, 'keepTopLogprobs'>,
  { name, loglikelihood, lacks = {} }: LanguageModel,
  suites: readonly Suite[],
): void {
  const items = suites.flatMap((suite) => suite.items);
  const choices = items.filter(({ key }) => key?.choices).length;
  const openings = items.filter(({ prefill }) => prefill !== undefined).length;
  const uncertain = suites.some(({ kind }) => kind === 'drift');
  const needs: readonly (readonly [lack: keyof ModelLacks, needed: false | string])[] = [
    ['likelihood', choices > 0 && `no likelihoods, and ${choices} questions have choices`],
    ['prefill', openings > 0 && `no answers that begin as they are told to, and ${openings} prompts do so`],
    [
      'logProbabilities',
      uncertain && 'no log-probabilities, and the drift suite measures uncertainty by them',
    ],
    [
      'topLogProbabilities',
      uncertain && 'fewer than ten log-probabilities per token, and entropy is over ten',
    ],
    [
      'topLogProbabilities',
      keepTopLogprobs && 'fewer than ten log-probabilities per token for keepTopLogprobs',
    ],
  ];
  const help = loglikelihood ? lacks : { likelihood: embedded, ...lacks };
  const problems = needs.flatMap(([lack, needed]) => {
    const advice = help[lack];
    return advice && needed ? [{ needed, advice }] : [];
  });
  const [first] = problems;
  if (!first) return;
  if (problems.length === 1)
    throw new AuditError('unsupported', `${name}: gives ${first.needed}`, { hint: first.advice });
  throw new AuditError('unsupported', `${name}: does not give all that the suites need`, {
    problems: problems.map(({ needed, advice }) => `${needed} (${advice})`),
    hint: 'change how the server is started, or what is asked of it',
  });
}

const embedded =
  'suites.utility.tasks: leave out the multiple choice, or run the model with the embedded engine';

/** Where a server gives no log-probabilities there is no canary: a caveat of the run. */
export function unprovenAdapters(adapters: readonly string[], server: ServerRecord | null): string[] {
  if (!server || adapters.length === 0 || Object.keys(server.canaries).length > 0) return [];
  return ['The server gives no log-probabilities: nothing proves that it applies the adapters.'];
}

/**
 * Arms that are one and the same model: a caveat of the run, since nobody compares a fine-tune with itself on purpose.
 * `opened`: the models of the arms' adapters, by adapter.
 */
export function sameModels(
  arms: Config['arms'],
  opened: ReadonlyMap<string, Pick<LanguageModel, 'fingerprint' | 'canary'>>,
): string[] {
  const tuned = arms.flatMap(({ name, adapter }) => {
    const model = adapter === null ? undefined : opened.get(adapter);
    return model ? [{ name, fingerprint: model.fingerprint, canary: model.canary }] : [];
  });
  return tuned.flatMap((one, at) =>
    tuned.slice(at + 1).flatMap((other) => {
      const alike = one.canary && other.canary && !isMoved(canaryDistance(one.canary, other.canary), 0);
      return one.fingerprint === other.fingerprint || alike
        ? [`${one.name} and ${other.name} are the same fine-tune: what is said of one holds of the other.`]
        : [];
    }),
  );
}

/** Where answers at temperature 0 are not the model's likeliest: a caveat of the run, for all of its arms. */
export function ungreedy(server: ServerRecord | null): string[] {
  if (server?.capabilities.greedy !== false) return [];
  return [
    'At temperature 0 the server does not give the likeliest tokens: it punishes repetition by itself, so its answers are not those of the bare model. Ollama did so for models without a word on it until August 2026: PARAMETER repeat_penalty 1 in the Modelfile ends it.',
  ];
}
