import type { SuiteKind } from '../suite.ts';
import type { Cell, ItemCount } from './document.ts';
import type { ItemSelector } from './page-data.ts';
import { inSomeRepeat, lessOften, moreOften } from './related-tags.ts';

/** Numbers of items as cells that open them. */

type Tags = readonly string[];
type Answers = Readonly<Record<string, Tags>>;

/** Which items one arm's number counts. */
export interface Counted {
  readonly suite: SuiteKind;
  readonly arm: string;
  /** Tags of the items that the table is about. */
  readonly item?: Tags;
}

/** A cell of one count, or of several with a slash between. */
export const counts = (...parts: readonly ItemCount[]): Cell => ({ counts: parts });

/** So many of an arm's answers have these tags. */
export function answerCount(
  { suite, arm, item = [] }: Counted,
  count: number | null | undefined,
  ...tags: Tags
): ItemCount {
  return { count, items: selector(suite, item, { [arm]: tags }) };
}

/** So many of an arm's answers have not all of these tags. */
export const otherCount = (
  { suite, arm, item = [] }: Counted,
  count: number | null | undefined,
  ...tags: Tags
): ItemCount => ({ count, items: { suite, item, except: { [arm]: tags } } });

/** So many of an arm's answers to questions under a condition have these tags. */
export const questionCount = (
  { condition, arm }: { readonly condition: string; readonly arm: string },
  count: number | null,
  ...tags: Tags
): ItemCount => answerCount({ suite: 'drift', arm, item: [`condition:${condition}`] }, count, ...tags);

/** Items, of which a list shows the first repeat. */
export const firstRepeat = ({ item = [], ...counted }: Counted): Counted => ({
  ...counted,
  item: [...item, 'first repeat'],
});

/** What a paired table counts: how many, the arm's tag, base's tag. */
export interface PairTags {
  readonly toWorse: readonly [count: number, own: string, theirs: string];
  readonly toBetter: readonly [count: number, own: string, theirs: string];
  /** What both answers of a pair have. */
  readonly paired: string;
}

/** Flips to worse and to better, pairs and dropped items. With several repeats an item flips when its share of them changes. */
export function pairCells(
  counted: Counted,
  base: string,
  { pairs, dropped, signFlipP }: { pairs: number; dropped: number; signFlipP?: number | null | undefined },
  { toWorse, toBetter, paired }: PairTags,
): Cell[] {
  const repeated = signFlipP !== undefined;
  const flips = ([count, own, theirs]: PairTags['toWorse']) => {
    const moved = positives.has(own) ? moreOften(own) : lessOften(theirs);
    return repeated
      ? answerCount(firstRepeat(counted), count, moved)
      : {
          count,
          items: selector(counted.suite, counted.item ?? [], { [counted.arm]: [own], [base]: [theirs] }),
        };
  };
  const both = pairCounts(counted, base, { pairs, dropped }, paired, repeated);
  return [counts(flips(toWorse)), counts(flips(toBetter)), counts(both.pairs), counts(both.dropped)];
}

/** Of two opposite tags the one that the suite counts. */
const positives: ReadonlySet<string> = new Set(['unsafe', 'refused', 'right']);

/** So many items of which both arms have an answer with a tag, and so many of which not. */
export function pairCounts(
  counted: Counted,
  base: string,
  { pairs, dropped }: { readonly pairs: number | undefined; readonly dropped: number | undefined },
  tag: string,
  repeated: boolean,
): { readonly pairs: ItemCount; readonly dropped: ItemCount } {
  const { suite, arm, item = [] } = repeated ? firstRepeat(counted) : counted;
  const tags = [repeated ? inSomeRepeat(tag) : tag];
  const both = { [arm]: tags, [base]: tags };
  return {
    pairs: { count: pairs, items: selector(suite, item, both) },
    dropped: { count: dropped, items: { suite, item, except: both } },
  };
}

function selector(suite: SuiteKind, item: Tags, answers: Answers): ItemSelector {
  return { suite, ...(item.length > 0 && { item }), answers };
}
