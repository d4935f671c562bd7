import type { SuiteKind } from '../suite.ts';
import type { Cell, ItemCount } from './document.ts';
import type { ItemSelector } from './page-data.ts';

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

/** So many of an arm's answers to questions under a condition have these tags. */
export const questionCount = (
  { condition, arm }: { readonly condition: string; readonly arm: string },
  count: number | null,
  ...tags: Tags
): ItemCount => answerCount({ suite: 'drift', arm, item: [`condition:${condition}`] }, count, ...tags);

/** What a paired table counts: how many, the arm's tag, base's tag. */
export interface PairTags {
  readonly toWorse: readonly [count: number, own: string, theirs: string];
  readonly toBetter: readonly [count: number, own: string, theirs: string];
  /** What both answers of a pair have. */
  readonly paired: string;
}

/** Flips to worse and to better, pairs and dropped items. With several repeats a pair is of several answers: plain numbers. */
export function pairCells(
  { suite, arm, item = [] }: Counted,
  base: string,
  { pairs, dropped, signFlipP }: { pairs: number; dropped: number; signFlipP?: number | null | undefined },
  { toWorse, toBetter, paired }: PairTags,
): Cell[] {
  const cell = (count: number, items: ItemSelector): Cell =>
    counts({ count, items: signFlipP === undefined ? items : null });
  const flips = ([count, own, theirs]: PairTags['toWorse']) =>
    cell(count, selector(suite, item, { [arm]: [own], [base]: [theirs] }));
  const both = { [arm]: [paired], [base]: [paired] };
  return [
    flips(toWorse),
    flips(toBetter),
    cell(pairs, selector(suite, item, both)),
    cell(dropped, { suite, item, except: both }),
  ];
}

/** So many items of which both arms' answers have a tag. */
export const pairCount = (
  { suite, arm, item = [] }: Counted,
  base: string,
  count: number,
  tag: string,
): ItemCount => ({ count, items: selector(suite, item, { [arm]: [tag], [base]: [tag] }) });

function selector(suite: SuiteKind, item: Tags, answers: Answers): ItemSelector {
  return { suite, ...(item.length > 0 && { item }), answers };
}
