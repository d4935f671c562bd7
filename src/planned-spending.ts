import type { Config } from './config.ts';
import { repeatsOf } from './config-suites.ts';
import type { Conversation } from './conversation.ts';
import { AuditError } from './errors.ts';
import type { LanguageModel } from './model.ts';
import { isPlain } from './outcomes.ts';
import { openingTokens } from './refusal-margin.ts';
import { type RenderedPrompts, renderPrompts, type SuitePrompts } from './rendered-prompts.ts';
import { overspent, type Spending } from './spending.ts';
import type { Suite, SuiteItem } from './suite.ts';

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

/**
 * The base's answers that show how its refusals begin, as a harm suite that is asked of the base alone; null where no
 * margin is measured.
 */
export function openingsConfig(config: Config): Config | null {
  const { harm } = config.suites;
  if (!harm?.refusalMargin) return null;
  const { prompts } = harm.refusalMargin;
  const plain = { prefill: null, variance: null, refusalMargin: null, repeats: 1, maxTokens: openingTokens };
  return { ...config, suites: { harm: { ...harm, ...plain, ...(prompts && { prompts, limit: null }) } } };
}

/** Of all arms together, and of the base's openings where there are any. */
export function plannedSpending(
  { arms }: Config,
  suites: readonly PlannedSuite[],
  openings: PlannedSuite | null,
): Spending {
  const sum = (key: keyof Spending) =>
    arms.length * suites.reduce((total, suite) => total + suite[key], 0) + (openings?.[key] ?? 0);
  return { requests: sum('requests'), read: sum('read'), written: sum('written') };
}

interface Rendered {
  readonly base: LanguageModel;
  readonly prompts: readonly SuitePrompts[];
  readonly heldOut: readonly SuiteItem[] | null;
}

/**
 * Refuses a budget that cannot suffice: one request for each answer, and every prompt read once, is the least.
 * @throws AuditError `config`.
 */
export async function refuseSmallBudget(config: Config, rendered: Rendered): Promise<void> {
  const { model } = config;
  if (!('endpoint' in model) || !model.budget) return;
  const planned = await spendingOf(rendered.base.firstTokenMass ? config : withoutMargin(config), rendered);
  const limit = overspent(model.budget, { ...planned, written: 0 });
  if (limit === null) return;
  throw new AuditError('config', `model.budget: ${limit} are less than the run needs`, {
    problems: [
      `${planned.requests} requests, ${planned.read} tokens to read, at most ${planned.written} to write`,
    ],
    hint: 'raise model.budget, or ask less: --limit, suites.*.limit, fewer arms',
  });
}

function withoutMargin(config: Config): Config {
  const { harm } = config.suites;
  return harm ? { ...config, suites: { ...config.suites, harm: { ...harm, refusalMargin: null } } } : config;
}

async function spendingOf(config: Config, { base, prompts, heldOut }: Rendered): Promise<Spending> {
  const counts = new Map<Conversation, number>();
  const count = (items: readonly SuiteItem[], { tokenCounts }: RenderedPrompts) => {
    for (const [at, { messages }] of items.entries()) counts.set(messages, tokenCounts[at]!);
  };
  for (const one of prompts) count(one.suite.items, one);
  if (heldOut) count(heldOut, await renderPrompts(base, heldOut));
  const planned = (asked: Config, suites: readonly Suite[]) =>
    plannedSuites(asked, suites, (messages) => counts.get(messages) ?? 0);
  const suites = prompts.map(({ suite }) => suite);
  const opened = openingsConfig(config);
  const openings = suites
    .filter(({ kind }) => opened && kind === 'harm')
    .map((suite) => ({
      ...{ ...suite, items: heldOut ?? suite.items.filter(isPlain) },
      decoding: { ...suite.decoding, maxTokens: openingTokens },
    }));
  return plannedSpending(config, planned(config, suites), opened && planned(opened, openings)[0]!);
}
