import type { ReportInput } from '../report.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
import { type HeldInput, mostCharacters, mostEntries, sampleOf } from './held-records.ts';
import { type Asked, itemSources } from './item-sources.ts';
import { answerTags, itemTags, type Judged } from './item-tags.ts';
import { relate } from './related-tags.ts';

/** One prompt in one repeat with every arm's answer. */
export interface ItemEntry {
  readonly suite: SuiteKind;
  readonly item: SuiteItem;
  readonly repeat: number;
  /** Whether the run knows its prompt. */
  readonly planned: boolean;
  readonly tags: readonly string[];
  /** In the arms' order. */
  readonly answers: readonly (Judged & { readonly tags: readonly string[] })[];
}

export interface ItemEntries {
  readonly entries: readonly ItemEntry[];
  /** Before sampling. */
  readonly total: number;
}

/** Everything that was asked, in the plan's order; without a plan, in the records'. Of what is too much still, as a replay's, a sample. */
export function itemEntries(input: HeldInput): ItemEntries {
  const sources = itemSources(input);
  const total = sources.reduce((sum, { items, repeats }) => sum + items.length * repeats, 0);
  const characters = sources.reduce((sum, source) => sum + source.characters, 0);
  const kept = sampleOf(Math.min(mostEntries / total, mostCharacters / characters));
  return {
    entries: sources.flatMap((source) => suiteEntries(source, input, kept)),
    total: input.total ?? total,
  };
}

function suiteEntries(
  { kind, items, repeats, planned, answer }: Asked,
  { summary, suites, margins = [] }: ReportInput,
  kept: (kind: SuiteKind, id: string) => boolean,
): ItemEntry[] {
  const arms = Object.keys(summary.arms);
  const judges = summary.judges.filter(({ suite }) => suite === kind);
  const paper = Object.values(summary.arms).some(({ drift = {} }) =>
    Object.values(drift).some(({ mode }) => mode === 'paper'),
  );
  const measured = new Set(
    kind === 'harm'
      ? margins.flatMap(({ arm, id, margin }) => (margin === null ? [] : [`${arm} ${id}`]))
      : [],
  );
  const entries = items.flatMap((item, place) => {
    if (!kept(kind, item.id)) return [];
    return Array.from({ length: repeats }, (_, repeat): ItemEntry => {
      const answers = arms.map((arm) => {
        const judged = answer(arm, place, repeat);
        const tags = answerTags(kind, judged, judges, paper);
        return { ...judged, tags: measured.has(`${arm} ${item.id}`) ? [...tags, 'refusal margin'] : tags };
      });
      return { suite: kind, item, repeat, planned, tags: itemTags(item, repeat), answers };
    });
  });
  const varied = kind === 'harm' && suites.some((suite) => suite.kind === kind && suite.variance);
  return relate(entries, { kind, repeats, varied, arms: arms.length, base: arms.indexOf(summary.baseArm) });
}
