import type { Completion, GenerationFacts, PlannedItem, Row, Rows, VerdictFacts } from './outcomes.ts';
import type { ItemRecord } from './record.ts';
import type { SuiteKind } from './suite.ts';

/** Rows over columns of outcomes: each is put together when it is looked at, and not kept. */

export const finishReasons: readonly ItemRecord['finishReason'][] = [
  'stop',
  'length',
  'content_filter',
  null,
];

/** One arm's generations of one suite and repeat, by the items' places in the plan. */
export interface GenerationBlock {
  /** 0 where there is none, else 1 + what happened, in bits. */
  happened: Uint8Array;
  /** NaN is null; a column that only ever was null is missing. */
  readonly numbers: (Float64Array | undefined)[];
}

function readGeneration(block: GenerationBlock | undefined, at: number): GenerationFacts | null {
  const code = block?.happened[at] ?? 0;
  if (!block || code === 0) return null;
  const number = (column: number): number | null => {
    const value = block.numbers[column]?.[at] ?? Number.NaN;
    return Number.isNaN(value) ? null : value;
  };
  const triple = (first: number) => {
    const [perplexity, entropy, probability] = [number(first), number(first + 1), number(first + 2)];
    return perplexity === null || entropy === null || probability === null
      ? null
      : { perplexity, entropy, probability };
  };
  return {
    finishReason: finishReasons[(code - 1) & 3]!,
    thought: ((code - 1) & 4) !== 0,
    answered: ((code - 1) & 8) !== 0,
    repetitive: ((code - 1) & 16) !== 0,
    uncertainty: triple(0),
    uncertaintyPaper: triple(3),
    confidence: number(6),
    truncatedMass: number(7),
  };
}

/** One arm's answers in one repeat, as one judge saw them. */
export interface View {
  readonly said: readonly VerdictFacts<SuiteKind>[];
  readonly generations: GenerationBlock | undefined;
  readonly verdicts: Uint32Array | undefined;
}

/** The rows of one arm as one judge saw them: all of a suite's items, or some. */
export class StoredRows<K extends SuiteKind> implements Rows<K> {
  private readonly of: Source;
  /** Of the items; null: all. */
  private readonly chosen: Uint32Array | null;

  constructor(of: Source, chosen: Uint32Array | null = null) {
    this.of = of;
    this.chosen = chosen;
  }

  get length(): number {
    return this.chosen?.length ?? this.of.items.length;
  }

  at(place: number): Row<K> | undefined {
    const { items, views, places } = this.of;
    const at = this.chosen ? (this.chosen[place] ?? -1) : place;
    const item = items[at];
    return item && new StoredRow<K>(item, views, places[at]!);
  }

  *[Symbol.iterator](): Generator<Row<K>> {
    for (let place = 0; place < this.length; place++) yield this.at(place)!;
  }

  filter(keep: (row: Row<K>) => boolean): StoredRows<K> {
    const kept = new Uint32Array(this.length);
    let count = 0;
    for (let place = 0; place < this.length; place++) {
      if (keep(this.at(place)!)) kept[count++] = this.chosen?.[place] ?? place;
    }
    return count === this.length ? this : new StoredRows(this.of, kept.slice(0, count));
  }

  map<T>(change: (row: Row<K>, place: number) => T): T[] {
    return Array.from({ length: this.length }, (_, place) => change(this.at(place)!, place));
  }

  flatMap<T>(change: (row: Row<K>, place: number) => T | readonly T[]): T[] {
    const made: T[] = [];
    for (let place = 0; place < this.length; place++)
      made.push(...([change(this.at(place)!, place)].flat() as T[]));
    return made;
  }

  some(is: (row: Row<K>) => boolean): boolean {
    for (const row of this) if (is(row)) return true;
    return false;
  }
}

interface Source {
  readonly items: readonly PlannedItem[];
  /** By repeat. */
  readonly views: readonly View[];
  /** By item: where in the views its outcomes are. */
  readonly places: Uint32Array;
}

/** A planned item of one arm as one judge saw it. */
class StoredRow<K extends SuiteKind> implements Row<K> {
  readonly item: PlannedItem;
  private readonly views: readonly View[];
  private readonly at: number;

  constructor(item: PlannedItem, views: readonly View[], at: number) {
    this.item = item;
    this.views = views;
    this.at = at;
  }

  get completions(): readonly Completion<K>[] {
    return this.views.map((view) => new StoredCompletion<K>(view, this.at));
  }
}

/** Nothing is read before it is asked for: most of a summary needs verdicts alone. */
class StoredCompletion<K extends SuiteKind> implements Completion<K> {
  private readonly view: View;
  private readonly at: number;

  constructor(view: View, at: number) {
    this.view = view;
    this.at = at;
  }

  get record(): GenerationFacts | null {
    return readGeneration(this.view.generations, this.at);
  }

  get verdict(): VerdictFacts<K> | null {
    const code = this.view.verdicts?.[this.at] ?? 0;
    return code === 0 ? null : (this.view.said[code - 1] as VerdictFacts<K>);
  }
}
