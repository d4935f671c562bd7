import { sha256 } from '../hash.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
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

/** More entries than these, or more characters of text and tokens, are sampled. */
const mostEntries = 50_000;
const mostCharacters = 100_000_000;

export interface ItemEntries {
  readonly entries: readonly ItemEntry[];
  /** Before sampling. */
  readonly total: number;
}

/** Everything that was asked, in the plan's order; without a plan, in the records'. Sampled by id where it is too much. */
export function itemEntries(input: ReportInput): ItemEntries {
  if (input.items.length === 0) return { entries: [], total: 0 };
  const records = new Map(input.items.map((record) => [answerKey(record), record]));
  const verdicts = new Map<string, VerdictRecord[]>();
  for (const verdict of input.verdicts) {
    const key = answerKey(verdict);
    const known = verdicts.get(key);
    if (known) known.push(verdict);
    else verdicts.set(key, [verdict]);
  }
  const kinds = [
    ...new Set(
      [...input.suites, ...input.items.map(({ suite }) => ({ kind: suite }))].map(({ kind }) => kind),
    ),
  ];
  const entries = kinds.flatMap((kind) => suiteEntries(kind, input, records, verdicts));
  return { entries: sampled(entries), total: entries.length };
}

function suiteEntries(
  kind: SuiteKind,
  { summary, suites, items, margins = [] }: ReportInput,
  records: ReadonlyMap<string, ItemRecord>,
  verdicts: ReadonlyMap<string, VerdictRecord[]>,
): ItemEntry[] {
  const own = items.filter(({ suite }) => suite === kind);
  const repeats = own.reduce((most, { repeat }) => Math.max(most, repeat + 1), 1);
  const planned = suites.filter((suite) => suite.kind === kind).flatMap((suite) => suite.items);
  const asked = planned.length > 0 ? planned : unplanned(own);
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
  const entries = asked.flatMap((item) =>
    Array.from({ length: repeats }, (_, repeat): ItemEntry => {
      const answers = arms.map((arm) => {
        const { id, condition } = item;
        const key = answerKey({ suite: kind, arm, id, condition, repeat });
        const judged = { record: records.get(key), verdicts: verdicts.get(key) ?? [] };
        const tags = answerTags(kind, judged, judges, paper);
        return { ...judged, tags: measured.has(`${arm} ${item.id}`) ? [...tags, 'refusal margin'] : tags };
      });
      return {
        suite: kind,
        item,
        repeat,
        planned: planned.length > 0,
        tags: itemTags(item, repeat),
        answers,
      };
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

function unplanned(records: readonly ItemRecord[]): SuiteItem[] {
  const places = new Map(
    records.map(({ id, condition }) => [JSON.stringify([id, condition]), { id, condition }]),
  );
  return [...places.values()].map((place) => ({
    ...place,
    messages: [],
    judgePrompt: '',
    functionalCategory: null,
    semanticCategory: null,
    answers: null,
  }));
}

/** Every suite thinned alike, an item with all of its conditions or not at all: by a hash, so always the same ones. */
function sampled(entries: readonly ItemEntry[]): readonly ItemEntry[] {
  const characters = entries.reduce((sum, entry) => sum + weight(entry), 0);
  const share = Math.min(mostEntries / entries.length, mostCharacters / characters);
  if (!(share < 1)) return entries;
  const limit = share * 2 ** 32;
  return entries.filter(
    ({ suite, item }) => Number.parseInt(sha256(`${suite} ${item.id}`).slice(0, 8), 16) < limit,
  );
}

function weight({ item, answers }: ItemEntry): number {
  return answers.reduce(
    (sum, { record }) =>
      sum + (record ? record.completion.length + 2 * (record.logProbabilities?.length ?? 0) : 0),
    item.judgePrompt.length,
  );
}
