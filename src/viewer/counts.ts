import { isHeadline, isRefused, isUnsafe } from '../metrics.ts';
import { isPlain, type PlannedItem } from '../outcomes.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import { conditionName } from '../report/conditions.ts';
import type { SuiteKind } from '../suite.ts';
import type { RunningRate } from './live-run.ts';
import { type Found, runningRate } from './running-rate.ts';

/** Answers and verdicts counted as they come: two bytes are kept of an answer with its verdict, and no record. */
export interface Counts {
  answer(record: Place): void;
  verdict(record: VerdictRecord): void;
  answered(arm: string, suite: SuiteKind): number;
  /** By all judges of the suite together. */
  judged(arm: string, suite: SuiteKind): number;
  /** Over what is judged so far, at a cost that does not grow with it; none without a plan. */
  rates(arms: readonly string[]): RunningRate[];
}

type Place = Pick<ItemRecord, 'arm' | 'suite' | 'id' | 'condition' | 'repeat'>;

/** What of a plan is looked at. */
export interface Planned {
  readonly kind: SuiteKind;
  readonly items: readonly PlannedItem[];
}

/** `suites`: the plan, empty where it is not known. Where something stands twice, the later one counts, once. */
export function createCounts(suites: readonly Planned[]): Counts {
  const plans = new Map(suites.map(({ kind, items }) => [kind, planOf(kind, items)]));
  const answered = new Map<string, Marks>();
  const judged = new Map<string, number>();
  const judges = new Map<string, Judge>();
  const placeOf = ({ suite, id, condition }: Place) =>
    plans.get(suite)?.places.get(placeKey(id, condition)) ?? -1;
  return {
    answer: (record) => {
      const marks = entry(answered, keyOf(record), () => new Marks());
      const place = placeOf(record);
      if (place < 0) marks.count++;
      else marks.set(place, record.repeat, 1);
    },
    verdict: (record) => {
      const { suite, judge: name, judgeFingerprint } = record;
      const judge = entry(judges, JSON.stringify([suite, name, judgeFingerprint]), () => ({
        ...{ suite, name },
        arms: new Map<string, ArmVerdicts>(),
      }));
      const verdicts = entry(judge.arms, record.arm, () => new ArmVerdicts());
      const before = verdicts.marks.count;
      const place = placeOf(record);
      if (place < 0) verdicts.marks.count++;
      else verdicts.add(place, record.repeat, outcomeOf(record), plans.get(suite)!.measures[place] ?? null);
      const key = keyOf(record);
      judged.set(key, (judged.get(key) ?? 0) + verdicts.marks.count - before);
    },
    answered: (arm, suite) => answered.get(keyOf({ arm, suite }))?.count ?? 0,
    judged: (arm, suite) => judged.get(keyOf({ arm, suite })) ?? 0,
    rates: (arms) =>
      [...judges.values()].flatMap(({ suite, name, arms: own }) =>
        arms.flatMap((arm) =>
          (plans.get(suite)?.names ?? []).flatMap((measure): RunningRate[] => {
            const found = own.get(arm)?.found(measure) ?? [];
            if (found.length === 0) return [];
            return [{ suite, measure, arm, judge: name, ...runningRate(found) }];
          }),
        ),
      ),
  };
}

const keyOf = ({ arm, suite }: Pick<Place, 'arm' | 'suite'>) => `${suite}\u0000${arm}`;
const placeKey = (id: string, condition: string) => `${id}\u0000${condition}`;

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

interface Judge {
  readonly suite: SuiteKind;
  readonly name: string;
  readonly arms: Map<string, ArmVerdicts>;
}

interface Plan {
  readonly places: ReadonlyMap<string, number>;
  /** By place: the rate that verdicts there count in; undefined for none. */
  readonly measures: readonly (string | undefined)[];
  /** The rates, in the plan's order. */
  readonly names: readonly string[];
}

function planOf(kind: SuiteKind, items: readonly PlannedItem[]): Plan {
  const measures = items.map((item) => (isPlain(item) ? measureOf(kind, item) : undefined));
  return {
    places: new Map(items.map(({ id, condition }, place) => [placeKey(id, condition), place])),
    measures,
    names: [...new Set(measures)].filter((name) => name !== undefined),
  };
}

function measureOf(kind: SuiteKind, item: PlannedItem): string | undefined {
  switch (kind) {
    case 'harm':
      return isHeadline({ item }) ? 'attack success rate' : undefined;
    case 'over-refusal':
    case 'utility':
      return kind;
    case 'drift':
      return `accuracy, ${conditionName(item.condition)}`;
    default:
      return undefined;
  }
}

/** Whether a verdict is positive; null: unscored. */
function outcomeOf(verdict: VerdictRecord): boolean | null {
  switch (verdict.suite) {
    case 'harm':
      return isUnsafe(verdict);
    case 'over-refusal':
      return isRefused(verdict);
    default:
      return verdict.label === 'unscored' ? null : verdict.label === 'correct';
  }
}

/** A byte for every planned item and repeat, 0 where there is nothing yet. */
class Marks {
  /** How many are not 0. */
  count = 0;
  readonly byRepeat: (Uint8Array | undefined)[] = [];

  set(place: number, repeat: number, mark: number): void {
    let marks = this.byRepeat[repeat];
    if (!marks || place >= marks.length) {
      const longer = new Uint8Array(Math.max(1024, 2 * (place + 1)));
      if (marks) longer.set(marks);
      this.byRepeat[repeat] = marks = longer;
    }
    if (marks[place] === 0) this.count++;
    marks[place] = mark;
  }
}

const [positive, negative, unscored] = [1, 2, 3];

/** One judge's verdicts on one arm. */
class ArmVerdicts {
  readonly marks = new Marks();
  /** Measure → tally, in digits → how many items came to it. */
  private readonly tallies = new Map<string, Map<number, Found>>();

  add(place: number, repeat: number, outcome: boolean | null, measure: string | null): void {
    if (measure !== null) this.count(place, measure, -1);
    this.marks.set(place, repeat, outcome === null ? unscored : outcome ? positive : negative);
    if (measure !== null) this.count(place, measure, 1);
  }

  found(measure: string): Found[] {
    return [...(this.tallies.get(measure)?.values() ?? [])].filter(({ items }) => items > 0);
  }

  private count(place: number, measure: string, by: 1 | -1): void {
    const tally = { positive: 0, scored: 0, total: 0 };
    for (const marks of this.marks.byRepeat) {
      const mark = marks?.[place] ?? 0;
      if (mark !== 0) tally.total++;
      if (mark === positive) tally.positive++;
      if (mark === positive || mark === negative) tally.scored++;
    }
    if (tally.total === 0) return;
    const code = (tally.positive * 1000 + tally.scored) * 1000 + tally.total;
    const own = entry(this.tallies, measure, () => new Map<number, Found>());
    entry(own, code, () => ({ tally, items: 0 })).items += by;
  }
}
