import { sha256 } from '../hash.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';

/** What of a run a page shows one by one: every record, or those of some items where it would be too large. */
export interface HeldRecords {
  readonly items: readonly ItemRecord[];
  readonly verdicts: readonly VerdictRecord[];
  /** By suite: what was asked of it that is held, in the plan's order; without a plan, in the records'. */
  readonly asked: ReadonlyMap<SuiteKind, { readonly items: readonly SuiteItem[]; readonly repeats: number }>;
  /** Prompts by repeats, before sampling. */
  readonly total: number;
  /** Judges of harm that have spoken of any item at all. */
  readonly judges: ReadonlySet<string>;
}

/** A page with more entries than these holds a sample of so many; one with more characters of text and tokens, so many of them. */
const mostEntries = 50_000;
const sampledEntries = 10_000;
const mostCharacters = 100_000_000;

const held = new WeakMap<ReportInput, HeldRecords>();

/** Chosen by a hash of the ids, so always the same: every suite thinned alike, an item with all its conditions or not at all. */
export function heldRecords(input: ReportInput): HeldRecords {
  let found = held.get(input);
  if (!found) held.set(input, (found = chooseRecords(input)));
  return found;
}

function chooseRecords(input: ReportInput): HeldRecords {
  const { asked, characters } = measure(input);
  const counts = [...asked.values()].map(({ items, repeats }) => items.length * repeats);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const share = Math.min(
    total > mostEntries ? sampledEntries / total : 1,
    characters > 0 ? mostCharacters / characters : 1,
  );
  const limit = share * 2 ** 32;
  const isHeld = (suite: SuiteKind, id: string) =>
    share >= 1 || Number.parseInt(sha256(`${suite} ${id}`).slice(0, 8), 16) < limit;
  const items: ItemRecord[] = [];
  const verdicts: VerdictRecord[] = [];
  const judges = new Set<string>();
  for (const record of input.items) if (isHeld(record.suite, record.id)) items.push(record);
  for (const verdict of input.verdicts) {
    if (verdict.suite === 'harm') judges.add(verdict.judge);
    if (isHeld(verdict.suite, verdict.id)) verdicts.push(verdict);
  }
  const thinned = [...asked].map(([kind, own]) => {
    const kept = share < 1 ? own.items.filter(({ id }) => isHeld(kind, id)) : own.items;
    return [kind, { ...own, items: kept }] as const;
  });
  return { items, verdicts, asked: new Map(thinned), total, judges };
}

/** What was asked, and how much there is to show of it. */
function measure({ suites, items, summary }: ReportInput) {
  const arms = new Set(Object.keys(summary.arms));
  const unplanned = new Map<SuiteKind, Map<string, SuiteItem>>();
  const repeats = new Map<SuiteKind, number>();
  const planned = new Map<SuiteKind, SuiteItem[]>();
  for (const { kind, items: own } of suites)
    planned.set(kind, planned.has(kind) ? [...planned.get(kind)!, ...own] : (own as SuiteItem[]));
  let characters = 0;
  for (const record of items) {
    const { suite, repeat, completion, logProbabilities } = record;
    if (repeat >= (repeats.get(suite) ?? 0)) repeats.set(suite, repeat + 1);
    if (arms.has(record.arm)) characters += completion.length + 2 * (logProbabilities?.length ?? 0);
    if (!planned.get(suite)?.length) {
      const places = unplanned.get(suite) ?? new Map<string, SuiteItem>();
      unplanned.set(suite, places);
      const place = JSON.stringify([record.id, record.condition]);
      if (!places.has(place)) places.set(place, unplannedItem(record));
    }
  }
  const kinds = repeats.size > 0 ? [...new Set([...planned.keys(), ...repeats.keys()])] : [];
  const asked = new Map(
    kinds.map((kind) => {
      const own = planned.get(kind) ?? [];
      const of = own.length > 0 ? own : [...(unplanned.get(kind)?.values() ?? [])];
      return [kind, { items: of, repeats: repeats.get(kind) ?? 1 }] as const;
    }),
  );
  for (const own of asked.values())
    characters += own.repeats * own.items.reduce((sum, { judgePrompt }) => sum + judgePrompt.length, 0);
  return { asked, characters };
}

const unplannedItem = ({ id, condition }: ItemRecord): SuiteItem => ({
  ...{ id, condition, messages: [], judgePrompt: '' },
  ...{ functionalCategory: null, semanticCategory: null, answers: null },
});
