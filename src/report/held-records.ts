import { sha256 } from '../hash.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import { only } from '../records.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteKind } from '../suite.ts';

/** What of a run a page shows one by one: every record, or those of some items where it would be too large. */
export interface HeldInput extends ReportInput {
  readonly items: readonly ItemRecord[];
  readonly verdicts: readonly VerdictRecord[];
  /** Prompts by repeats of the whole run, where these are a sample; else null. */
  readonly total: number | null;
}

/** A page with more entries than these holds a sample of so many; one with more characters of text and tokens, so many of them. */
export const mostEntries = 50_000;
const sampledEntries = 10_000;
export const mostCharacters = 100_000_000;

/** Whether an item is in a sample of about this share: by a hash of its id, so always the same ones, every suite thinned alike. */
export function sampleOf(share: number): (suite: SuiteKind, id: string) => boolean {
  const limit = share * 2 ** 32;
  return (suite, id) => share >= 1 || Number.parseInt(sha256(`${suite} ${id}`).slice(0, 8), 16) < limit;
}

const held = new WeakMap<ReportInput, HeldInput>();

/** A sample holds an item with all its conditions or not at all. */
export function heldRecords(input: ReportInput): HeldInput {
  let found = held.get(input);
  if (!found) held.set(input, (found = chooseRecords(input)));
  return found;
}

function chooseRecords(input: ReportInput): HeldInput {
  const { entries, characters } = measure(input);
  const share = Math.min(
    entries > mostEntries ? sampledEntries / entries : 1,
    characters > mostCharacters ? mostCharacters / characters : 1,
  );
  if (share === 1) return { ...input, items: [...input.items], verdicts: [...input.verdicts], total: null };
  const isHeld = sampleOf(share);
  const heldOf = <T extends ItemRecord | VerdictRecord>(records: Iterable<T>) => [
    ...only(records, ({ suite, id }) => isHeld(suite, id)),
  ];
  return {
    ...input,
    ...{ items: heldOf(input.items), verdicts: heldOf(input.verdicts), total: entries },
    suites: input.suites.map((suite) => ({
      ...suite,
      items: suite.items.filter(({ id }) => isHeld(suite.kind, id)),
    })),
  };
}

/** How many prompts and repeats there are to show, and how much of texts and tokens. */
function measure({ suites, items }: ReportInput) {
  const repeats = new Map<SuiteKind, number>();
  const unplanned = new Set<string>();
  const planned = new Set(suites.filter((suite) => suite.items.length > 0).map(({ kind }) => kind));
  let [entries, characters] = [0, 0];
  for (const { suite, id, condition, repeat, completion, logProbabilities } of items) {
    if (repeat >= (repeats.get(suite) ?? 0)) repeats.set(suite, repeat + 1);
    characters += completion.length + 2 * (logProbabilities?.length ?? 0);
    if (!planned.has(suite)) unplanned.add(JSON.stringify([suite, id, condition, repeat]));
  }
  if (repeats.size === 0) return { entries: 0, characters: 0 };
  for (const { kind, items: own } of suites) {
    const times = repeats.get(kind) ?? 1;
    entries += times * own.length;
    characters += times * own.reduce((sum, { judgePrompt }) => sum + judgePrompt.length, 0);
  }
  return { entries: entries + unplanned.size, characters };
}
