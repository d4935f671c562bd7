import type { IndexEntry, ItemIndex, ItemSelector } from '../report/page-data.ts';

/** Finds the entries that a number counts, or that a reader asks for. */

/** What is looked for: a selector's tags, and what the fields of the list say. Null or '' is anything. */
export interface Query {
  readonly selector: ItemSelector | null;
  readonly suite: string;
  readonly condition: string;
  readonly category: string;
  readonly arm: string;
  /** Tag that the arm's answer has; of any arm where none is named. */
  readonly label: string;
}

export const everything: Query = {
  selector: null,
  suite: '',
  condition: '',
  category: '',
  arm: '',
  label: '',
};

/** Places of the entries that fit, in order. */
export function findEntries(index: ItemIndex, query: Query): number[] {
  const tests = [
    ...(query.selector ? [selectorTest(index, query.selector)] : []),
    ...fieldTests(index, query),
  ];
  const found: number[] = [];
  index.entries.forEach((entry, place) => {
    if (tests.every((passes) => passes(entry))) found.push(place);
  });
  return found;
}

type Test = (entry: IndexEntry) => boolean;

function selectorTest(index: ItemIndex, { suite, item = [], answers, except }: ItemSelector): Test {
  const kind = index.suites.indexOf(suite);
  const own = setsWith(index, item);
  const positive = answers && answersTest(index, answers);
  const negative = except && answersTest(index, except);
  return (entry) =>
    entry[0] === kind && own.has(entry[4]) && (positive?.(entry) ?? true) && !(negative?.(entry) ?? false);
}

function answersTest(index: ItemIndex, answers: Readonly<Record<string, readonly string[]>>): Test {
  const wanted = Object.entries(answers).map(
    ([arm, tags]) => [index.arms.indexOf(arm), setsWith(index, tags)] as const,
  );
  return (entry) => wanted.every(([arm, sets]) => sets.has(entry[5][arm]!));
}

function fieldTests(index: ItemIndex, { suite, condition, category, arm, label }: Query): Test[] {
  const tests: Test[] = [];
  const [kind, where] = [index.suites.indexOf(suite), index.conditions.indexOf(condition)];
  if (suite) tests.push((entry) => entry[0] === kind);
  if (condition) tests.push((entry) => entry[2] === where);
  if (category) {
    const own = setsWith(index, [category]);
    tests.push((entry) => own.has(entry[4]));
  }
  if (label) {
    const own = setsWith(index, [label]);
    const place = index.arms.indexOf(arm);
    tests.push((entry) => (arm ? own.has(entry[5][place]!) : entry[5].some((set) => own.has(set))));
  }
  return tests;
}

/** The tag sets that hold all of these tags. */
function setsWith({ tags, tagSets }: ItemIndex, wanted: readonly string[]): Set<number> {
  const places = wanted.map((tag) => tags.indexOf(tag));
  const sets = tagSets.flatMap((set, at) => (places.every((place) => set.includes(place)) ? [at] : []));
  return new Set(sets);
}
