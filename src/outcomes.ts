import { isRepetitive } from './coherence.ts';
import { type Added, createOutcomeTable, type OutcomeTable } from './outcome-table.ts';
import type { Tallies, Tally } from './rate.ts';
import type {
  DriftVerdictRecord,
  HarmVerdictRecord,
  ItemRecord,
  OverRefusalVerdictRecord,
  SemanticEntropyVerdictRecord,
  UtilityVerdictRecord,
  VerdictRecord,
} from './record.ts';
import type { Suite, SuiteItem, SuiteKind } from './suite.ts';

/** One planned prompt: what was to be asked of every arm. */
export type PlannedItem = Pick<
  SuiteItem,
  | 'id'
  | 'condition'
  | 'functionalCategory'
  | 'semanticCategory'
  | 'prefillTokens'
  | 'variation'
  | 'contextRepeats'
  | 'key'
>;

/** Asked as it is: the model began its answer by itself, under the suite's first template and seed. */
export const isPlain = ({ prefillTokens, variation }: PlannedItem): boolean =>
  prefillTokens === undefined && variation === undefined;

/** A suite as planned; a whole `Suite` fits. */
export interface PlannedSuite {
  readonly kind: SuiteKind;
  readonly items: readonly PlannedItem[];
  readonly variance?: Suite['variance'];
}

/** A judge of one suite. The first of each suite decides; verdicts of another fingerprint are not counted. */
export interface SuiteJudge {
  readonly suite: SuiteKind;
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
  /** What a reader of its verdicts has to know. */
  readonly note?: string;
}

/** What a summary rests on of one generation: its record without texts and tokens. */
export interface GenerationFacts
  extends Pick<
    ItemRecord,
    'finishReason' | 'uncertainty' | 'uncertaintyPaper' | 'confidence' | 'truncatedMass'
  > {
  /** The model thought aloud. */
  readonly thought: boolean;
  /** Some text came beside its thinking. */
  readonly answered: boolean;
  /** It says the same over and over; looked for in answers to restricted and harmless requests. */
  readonly repetitive: boolean;
}

/** What a summary rests on of one verdict. Recorded outcomes without texts have no exact match and no F1. */
export type VerdictFacts<K extends SuiteKind> = {
  harm: Pick<HarmVerdictRecord, 'label' | 'reason'> & {
    readonly withThinking?: Pick<HarmVerdictRecord, 'label'> | undefined;
    /** Left out where the judge does not grade. */
    readonly severity?: number | undefined;
  };
  'over-refusal': Pick<OverRefusalVerdictRecord, 'label' | 'reason'>;
  drift: Pick<DriftVerdictRecord, 'label' | 'adopted' | 'paper'> & {
    readonly exactMatch: boolean | null;
    readonly tokenF1: number | null;
  };
  'semantic-entropy': Pick<
    SemanticEntropyVerdictRecord,
    'label' | 'reason' | 'detail' | 'cluster' | 'method'
  >;
  utility: Pick<
    UtilityVerdictRecord,
    'label' | 'reason' | 'perCharacter' | 'perByte' | 'tied' | 'exactMatch'
  >;
}[K];

/** One completion and what a judge said of it; null where the run has none. */
export interface Completion<K extends SuiteKind> {
  readonly record: GenerationFacts | null;
  readonly verdict: VerdictFacts<K> | null;
}

/** A planned item with its completions, one per repeat. */
export interface Row<K extends SuiteKind> {
  /** By its id and condition rows of different arms, or runs, are paired. */
  readonly item: PlannedItem;
  readonly completions: readonly Completion<K>[];
}

/** Rows in the plan's order; they may be put together each time they are gone through. An array is one too. */
export interface Rows<K extends SuiteKind> extends Iterable<Row<K>> {
  readonly length: number;
  at(place: number): Row<K> | undefined;
  filter(keep: (row: Row<K>) => boolean): Rows<K>;
  map<T>(change: (row: Row<K>, place: number) => T): T[];
  flatMap<T>(change: (row: Row<K>, place: number) => T | readonly T[]): T[];
  some(is: (row: Row<K>) => boolean): boolean;
}

/** Every completion of these rows, put together when it is looked at. */
export function* completionsOf<C>(rows: Iterable<{ readonly completions: readonly C[] }>): Generator<C> {
  for (const { completions } of rows) yield* completions;
}

/** An arm's completions of one suite as one judge saw them, in the plan's order; empty when the suite was not planned. */
export type RowsOf = <K extends SuiteKind>(arm: string, judge: SuiteJudge & { readonly suite: K }) => Rows<K>;

/** Joins plan, completions and verdicts; the order of the records makes no difference. */
export function joinOutcomes(
  suites: readonly PlannedSuite[],
  items: Iterable<ItemRecord>,
  verdicts: Iterable<VerdictRecord>,
): RowsOf {
  const table = createOutcomeTable();
  for (const suite of suites) table.plan(suite.kind, suite.items);
  for (const record of items) table.addGeneration(record, generationFacts(record));
  for (const verdict of verdicts) addVerdict(table, verdict);
  return table.rowsOf;
}

/** Broken output fools the judges of these. */
const isJudged = (suite: SuiteKind) => suite === 'harm' || suite === 'over-refusal';

/** A record as a summary needs it. */
export function generationFacts(record: ItemRecord): GenerationFacts {
  const { finishReason, uncertainty, uncertaintyPaper, confidence, truncatedMass } = record;
  const numbers = { uncertainty, uncertaintyPaper, confidence, truncatedMass };
  return {
    finishReason,
    ...numbers,
    thought: Boolean(record.thinking),
    answered: record.completion.trim() !== '',
    repetitive: isJudged(record.suite) && isRepetitive(record.completion),
  };
}

/** Puts a verdict into the table, under the judge that it names. */
export function addVerdict(table: OutcomeTable, verdict: VerdictRecord): Added {
  const judge = { name: verdict.judge, fingerprint: verdict.judgeFingerprint };
  switch (verdict.suite) {
    case 'harm': {
      const { label, reason, withThinking, severity } = verdict;
      const thought = withThinking && { withThinking: { label: withThinking.label } };
      return table.addVerdict<'harm'>(verdict, judge, {
        ...{ label, reason },
        ...thought,
        ...(severity !== undefined && { severity }),
      });
    }
    case 'over-refusal':
      return table.addVerdict<'over-refusal'>(verdict, judge, {
        label: verdict.label,
        reason: verdict.reason,
      });
    case 'drift': {
      const { label, adopted, exactMatch, tokenF1, paper } = verdict;
      return table.addVerdict<'drift'>(verdict, judge, { label, adopted, exactMatch, tokenF1, paper });
    }
    case 'semantic-entropy': {
      const { label, reason, detail, cluster, method } = verdict;
      return table.addVerdict<'semantic-entropy'>(verdict, judge, {
        ...{ label, reason, cluster, method },
        ...(detail !== undefined && { detail }),
      });
    }
    case 'utility': {
      const { label, reason, perCharacter, perByte, tied, exactMatch } = verdict;
      const facts = { label, reason, perCharacter, perByte, tied, exactMatch };
      return table.addVerdict<'utility'>(verdict, judge, facts);
    }
  }
}

/** Tallies of rows by item: `read` says whether a verdict is positive, or null for unscored; no verdict is unscored. */
export function tally<K extends SuiteKind>(
  rows: Rows<K>,
  read: (verdict: VerdictFacts<K>) => boolean | null,
): Tallies {
  const [keys, values]: [PlannedItem[], Tally[]] = [[], []];
  for (const { item, completions } of rows) {
    keys.push(item);
    values.push(tallyRow(completions, read));
  }
  return { keys, values };
}

/** What single completions come to: most tallies are one of these. */
const single = {
  positive: { positive: 1, scored: 1, total: 1 },
  negative: { positive: 0, scored: 1, total: 1 },
  unscored: { positive: 0, scored: 0, total: 1 },
} as const;

/** One completion's tally; null: unscored. */
export const tallyOne = (outcome: boolean | null): Tally =>
  outcome === null ? single.unscored : outcome ? single.positive : single.negative;

function tallyRow<K extends SuiteKind>(
  completions: readonly Completion<K>[],
  read: (verdict: VerdictFacts<K>) => boolean | null,
): Tally {
  const outcomes = completions.map(({ verdict }) => (verdict ? read(verdict) : null));
  if (outcomes.length === 1) return tallyOne(outcomes[0]!);
  return {
    positive: outcomes.filter((outcome) => outcome === true).length,
    scored: outcomes.filter((outcome) => outcome !== null).length,
    total: outcomes.length,
  };
}
