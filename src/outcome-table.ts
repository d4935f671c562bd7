import type { GenerationFacts, PlannedItem, RowsOf, SuiteJudge, VerdictFacts } from './outcomes.ts';
import type { ItemRecord } from './record.ts';
import { finishReasons, type GenerationBlock, StoredRows, type View } from './stored-rows.ts';
import type { SuiteKind } from './suite.ts';

/**
 * Outcomes in columns: about 60 bytes for an answer with its verdict, where objects take 500. Records come one by one and
 * are not kept.
 */

type Place = Pick<ItemRecord, 'arm' | 'suite' | 'id' | 'condition' | 'repeat'>;

/** `unplanned`: nobody was to be asked this; it is left out. `replaced`: there was one already, and the later one counts. */
export type Added = 'added' | 'replaced' | 'unplanned';

export interface OutcomeTable {
  /** Prompts that every arm was to be asked, after those planned so far. */
  plan(kind: SuiteKind, items: readonly PlannedItem[]): void;
  addGeneration(place: Place, facts: GenerationFacts): Added;
  addVerdict<K extends SuiteKind>(
    place: Place & { readonly suite: K },
    judge: { readonly name: string; readonly fingerprint: string },
    facts: VerdictFacts<K>,
  ): Added;
  readonly rowsOf: RowsOf;
}

const numbersOfGeneration = 8;

/** One suite: its plan and what came of it. */
class Sheet {
  readonly items: PlannedItem[] = [];
  /** Condition → id → place in the plan. */
  readonly places = new Map<string, Map<string, number>>();
  private found = new Uint32Array(0);
  repeats = 1;
  readonly generations = new Map<string, GenerationBlock>();
  /** By arm, repeat and judge: 0 where there is none, else 1 + the place in `said`. */
  readonly verdicts = new Map<string, Uint32Array>();
  readonly said: VerdictFacts<SuiteKind>[] = [];
  /** By what was said, and by the object that said it, which is quicker. */
  readonly saidAt = new Map<string | VerdictFacts<SuiteKind>, number>();

  plan(items: readonly PlannedItem[]): void {
    for (const item of items) {
      let ids = this.places.get(item.condition);
      if (!ids) this.places.set(item.condition, (ids = new Map()));
      ids.set(item.id, this.items.length);
      this.items.push(item);
    }
  }

  placeOf({ condition, id }: Pick<Place, 'condition' | 'id'>): number {
    return this.places.get(condition)?.get(id) ?? -1;
  }

  /** By item: where in the columns its outcomes are; of two with one name, where the later's. */
  outcomePlaces(): Uint32Array {
    if (this.found.length !== this.items.length)
      this.found = Uint32Array.from(this.items, (item) => this.placeOf(item));
    return this.found;
  }

  addGeneration(place: Place, facts: GenerationFacts): Added {
    this.repeats = Math.max(this.repeats, place.repeat + 1);
    const at = this.placeOf(place);
    if (at < 0) return 'unplanned';
    const key = blockKey(place.arm, place.repeat);
    let block = this.generations.get(key);
    if (!block) this.generations.set(key, (block = { happened: new Uint8Array(0), numbers: [] }));
    if (at >= block.happened.length) block.happened = grown(block.happened, this.items.length);
    const before = block.happened[at];
    block.happened[at] =
      1 +
      finishReasons.indexOf(facts.finishReason) +
      (facts.thought ? 4 : 0) +
      (facts.answered ? 8 : 0) +
      (facts.repetitive ? 16 : 0);
    const { uncertainty: own, uncertaintyPaper: paper } = facts;
    const values = [
      own?.perplexity,
      own?.entropy,
      own?.probability,
      paper?.perplexity,
      paper?.entropy,
      paper?.probability,
      facts.confidence,
      facts.truncatedMass,
    ];
    for (let column = 0; column < numbersOfGeneration; column++) {
      this.setNumber(block, column, at, values[column] ?? Number.NaN);
    }
    return before ? 'replaced' : 'added';
  }

  private setNumber({ numbers }: GenerationBlock, column: number, at: number, value: number): void {
    let values = numbers[column];
    if (!values || at >= values.length) {
      if (Number.isNaN(value)) return;
      const longer = new Float64Array(roomFor(this.items.length, values)).fill(Number.NaN);
      if (values) longer.set(values);
      numbers[column] = values = longer;
    }
    values[at] = value;
  }

  addVerdict(place: Place, judge: string, facts: VerdictFacts<SuiteKind>): Added {
    const at = this.placeOf(place);
    if (at < 0) return 'unplanned';
    const key = `${blockKey(place.arm, place.repeat)}\u0000${judge}`;
    let codes = this.verdicts.get(key);
    if (!codes || at >= codes.length) {
      codes = grown(codes ?? new Uint32Array(0), this.items.length);
      this.verdicts.set(key, codes);
    }
    const before = codes[at];
    codes[at] = 1 + this.intern(facts);
    return before ? 'replaced' : 'added';
  }

  /** Judges say few different things: each is kept once. */
  private intern(facts: VerdictFacts<SuiteKind>): number {
    const text = this.saidAt.has(facts) ? facts : JSON.stringify(facts);
    const known = this.saidAt.get(text);
    if (known !== undefined) return known;
    const code = this.said.push(facts) - 1;
    this.saidAt.set(text, code).set(facts, code);
    return code;
  }
}

export function createOutcomeTable(): OutcomeTable {
  const sheets = new Map<SuiteKind, Sheet>();
  const sheetOf = (kind: SuiteKind): Sheet => {
    let sheet = sheets.get(kind);
    if (!sheet) sheets.set(kind, (sheet = new Sheet()));
    return sheet;
  };
  return {
    plan: (kind, items) => sheetOf(kind).plan(items),
    addGeneration: (place, facts) => sheetOf(place.suite).addGeneration(place, facts),
    addVerdict: (place, judge, facts) => sheetOf(place.suite).addVerdict(place, judgeKey(judge), facts),
    rowsOf: <K extends SuiteKind>(arm: string, judge: SuiteJudge & { readonly suite: K }) => {
      const sheet = sheetOf(judge.suite);
      const views = Array.from({ length: sheet.repeats }, (_, repeat): View => {
        const key = blockKey(arm, repeat);
        return {
          said: sheet.said,
          generations: sheet.generations.get(key),
          verdicts: sheet.verdicts.get(`${key}\u0000${judgeKey(judge)}`),
        };
      });
      const { items } = sheet;
      return new StoredRows<K>({ items, views, places: sheet.outcomePlaces() });
    },
  };
}

const blockKey = (arm: string, repeat: number) => `${arm}\u0000${repeat}`;
const judgeKey = ({ name, fingerprint }: { readonly name: string; readonly fingerprint: string }) =>
  `${name}\u0000${fingerprint}`;

/** A plan that grows item by item must not copy its columns every time. */
const roomFor = (length: number, values: ArrayLike<number> | undefined) =>
  Math.max(length, 2 * (values?.length ?? 0));

function grown<T extends Uint8Array | Uint32Array>(values: T, length: number): T {
  const longer = new (values.constructor as new (length: number) => T)(roomFor(length, values));
  longer.set(values);
  return longer;
}
