import type { Config } from './config.ts';
import { repeatsOf } from './config-suites.ts';
import type { Conversation } from './conversation.ts';
import { AuditError } from './errors.ts';
import { isPlain } from './outcomes.ts';
import { overspent, type Spending } from './spending.ts';
import type { Suite } from './suite.ts';

/** What an audit will ask of its models, by suite, before anything is asked. */
export interface PlannedSuite extends Spending {
  readonly kind: Suite['kind'];
  readonly items: number;
  readonly repeats: number;
}

/**
 * Requests and tokens of one arm: a request is an answer, a choice that is scored, or a prompt of the refusal margin.
 * `written` counts every answer with all its maxTokens: an upper bound.
 */
export function plannedSuites(
  config: Config,
  suites: readonly Suite[],
  tokensOf: (messages: Conversation) => number,
): PlannedSuite[] {
  const margin = config.suites.harm?.refusalMargin ? 1 : 0;
  return suites.map((suite) => {
    const repeats = repeatsOf(config, suite);
    let [requests, read, written] = [0, 0, 0];
    for (const item of suite.items) {
      const choices = item.key?.choices;
      const margins = suite.kind === 'harm' && isPlain(item) ? margin : 0;
      const times = choices ? choices.length + 1 : repeats + margins;
      requests += times;
      read += times * tokensOf(item.messages);
      written += choices ? times : repeats * suite.decoding.maxTokens + margins;
    }
    return { kind: suite.kind, items: suite.items.length, repeats, requests, read, written };
  });
}

/** Of all arms together. */
export function plannedSpending({ arms }: Config, suites: readonly PlannedSuite[]): Spending {
  const sum = (key: keyof Spending) => arms.length * suites.reduce((total, suite) => total + suite[key], 0);
  return { requests: sum('requests'), read: sum('read'), written: sum('written') };
}

/**
 * Refuses a budget that cannot suffice: one request for each answer, and every prompt read once, is the least.
 * @throws AuditError `config`.
 */
export function refuseSmallBudget({ model }: Config, spending: () => Spending): void {
  if (!('endpoint' in model) || !model.budget) return;
  const planned = spending();
  const limit = overspent(model.budget, { ...planned, written: 0 });
  if (limit === null) return;
  throw new AuditError('config', `model.budget: ${limit} are less than the run needs`, {
    problems: [
      `${planned.requests} requests, ${planned.read} tokens to read, at most ${planned.written} to write`,
    ],
    hint: 'raise model.budget, or ask less: --limit, suites.*.limit, fewer arms',
  });
}
