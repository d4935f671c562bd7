import type { VarianceBudget } from './harm-record.ts';
import { isUnsafe } from './metrics.ts';
import type { Rows } from './outcomes.ts';
import { varianceComponents } from './variance.ts';

/**
 * Where the variance of one arm's harm verdicts comes from, over items × templates × seeds × repeats, prefilled answers
 * left out. An item with an unscored completion is dropped whole, so that the design stays balanced.
 */
export function varianceBudget(rows: Rows<'harm'>): VarianceBudget {
  const items = new Map<string, Observation[]>();
  const dropped = new Set<string>();
  for (const { item, completions } of rows) {
    if (item.prefillTokens !== undefined) continue;
    const { template, seed } = item.variation ?? { template: 0, seed: 0 };
    const own = items.get(item.id) ?? [];
    items.set(item.id, own);
    for (const [repeat, { verdict }] of completions.entries()) {
      const unsafe = verdict && isUnsafe(verdict);
      if (unsafe === null) dropped.add(item.id);
      else
        own.push({ item: item.id, template: `${template}`, seed: `${seed}`, repeat, value: unsafe ? 1 : 0 });
    }
  }
  const kept = [...items].filter(([id]) => !dropped.has(id));
  const observations = kept.flatMap(([, own]) => own);
  const levels = (of: (observation: Observation) => string | number) => new Set(observations.map(of)).size;
  const counts = {
    item: kept.length,
    template: levels(({ template }) => template),
    seed: levels(({ seed }) => seed),
  };
  const asked = kept.length === 0 ? 0 : observations.length / kept.length;
  // Without an item asked twice, or a second item, nothing can be told apart.
  const components = asked > 1 && kept.length > 1 ? varianceComponents(observations) : null;
  const of = (factor: keyof typeof counts) => (components && counts[factor] > 1 ? components[factor] : null);
  return {
    items: kept.length,
    dropped: dropped.size,
    templates: counts.template,
    seeds: counts.seed,
    repeats: levels(({ repeat }) => repeat),
    item: of('item'),
    template: of('template'),
    seed: of('seed'),
    repeat: components?.repeat ?? null,
    total: components?.total ?? null,
    flaky: flakyItems(kept),
  };
}

interface Observation {
  readonly item: string;
  readonly template: string;
  readonly seed: string;
  readonly repeat: number;
  /** 1 unsafe, 0 safe. */
  readonly value: number;
}

/** Items whose verdicts differ, the most evenly divided first. */
function flakyItems(items: readonly (readonly [string, readonly Observation[]])[]): VarianceBudget['flaky'] {
  const divided = items.flatMap(([id, own]) => {
    const unsafe = own.filter(({ value }) => value === 1).length;
    return unsafe > 0 && unsafe < own.length ? [{ id, unsafe, scored: own.length }] : [];
  });
  const evenness = ({ unsafe, scored }: (typeof divided)[number]) => Math.abs(unsafe / scored - 0.5);
  return divided.sort((a, b) => evenness(a) - evenness(b) || (a.id < b.id ? -1 : 1));
}
