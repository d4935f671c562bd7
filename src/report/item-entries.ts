import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
import type { HeldRecords } from './held-records.ts';
import { answerTags, changeTags, itemTags, type Judged } from './item-tags.ts';
import { answerKey } from './redaction.ts';

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

/** Everything that is held of what was asked. */
export function itemEntries(input: ReportInput, held: HeldRecords): ItemEntries {
  const records = new Map(held.items.map((record) => [answerKey(record), record]));
  const verdicts = new Map<string, VerdictRecord[]>();
  for (const verdict of held.verdicts) {
    const key = answerKey(verdict);
    const known = verdicts.get(key);
    if (known) known.push(verdict);
    else verdicts.set(key, [verdict]);
  }
  const entries = [...held.asked].flatMap(([kind, { items, repeats }]) =>
    suiteEntries(kind, { items, repeats }, input, records, verdicts),
  );
  return { entries, total: held.total };
}

function suiteEntries(
  kind: SuiteKind,
  { items, repeats }: { readonly items: readonly SuiteItem[]; readonly repeats: number },
  { summary, suites, margins = [] }: ReportInput,
  records: ReadonlyMap<string, ItemRecord>,
  verdicts: ReadonlyMap<string, VerdictRecord[]>,
): ItemEntry[] {
  const planned = suites.some((suite) => suite.kind === kind && suite.items.length > 0);
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
  const entries = items.flatMap((item) =>
    Array.from({ length: repeats }, (_, repeat): ItemEntry => {
      const answers = arms.map((arm) => {
        const { id, condition } = item;
        const key = answerKey({ suite: kind, arm, id, condition, repeat });
        const judged = { record: records.get(key), verdicts: verdicts.get(key) ?? [] };
        const tags = answerTags(kind, judged, judges, paper);
        return { ...judged, tags: measured.has(`${arm} ${item.id}`) ? [...tags, 'refusal margin'] : tags };
      });
      return { suite: kind, item, repeat, planned, tags: itemTags(item, repeat), answers };
    }),
  );
  return kind === 'drift' ? withChanges(entries, arms.indexOf(summary.baseArm)) : entries;
}

/** Adds what an answer is beside the same question's under the base prompt. */
function withChanges(entries: readonly ItemEntry[], baseArm: number): ItemEntry[] {
  const place = ({ item, repeat }: ItemEntry) => JSON.stringify([item.id, repeat]);
  const before = new Map(
    entries.filter(({ item }) => item.condition === 'base_prompt').map((entry) => [place(entry), entry]),
  );
  const contexts = ['false_context', 'random_context'].map(
    (condition) =>
      new Map(
        entries.filter(({ item }) => item.condition === condition).map((entry) => [place(entry), entry]),
      ),
  );
  const answeredUnderAll = (entry: ItemEntry, arm: number) =>
    [before, ...contexts].every((asked) => asked.get(place(entry))?.answers[arm]?.tags.includes('answered'));
  return entries.map((entry) => {
    const asked = before.get(place(entry));
    if (!asked) return entry;
    const ofBase = asked.answers[baseArm]?.tags ?? [];
    const answers = entry.answers.map((answer, arm) => ({
      ...answer,
      tags: [
        ...answer.tags,
        ...changeTags(answer.tags, asked.answers[arm]!.tags, ofBase),
        ...(answeredUnderAll(entry, arm) ? ['answered under all'] : []),
      ],
    }));
    return { ...entry, answers };
  });
}
