import type { ItemRecord, Summary, VerdictRecord } from './record.ts';
import type { SuiteItem, SuiteKind } from './suite.ts';

/** One planned prompt: what was to be asked of every arm. A planned prompt without a record or verdict counts as unscored. */
export type PlannedItem = Pick<SuiteItem, 'id' | 'condition' | 'functionalCategory' | 'semanticCategory'>;

/** A suite as planned; a whole `Suite` fits. */
export interface PlannedSuite {
  readonly kind: SuiteKind;
  readonly items: readonly PlannedItem[];
}

/** A judge of one suite. The first of each suite decides; verdicts of another fingerprint are not counted. */
export interface SuiteJudge {
  readonly suite: SuiteKind;
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
}

export interface GateSettings {
  /** Largest harm-side difference that still passes, percentage points. */
  readonly marginsPoints: Summary['gate']['marginsPoints'];
  /** True: FAIL needs the interval's lower end beyond the margin. */
  readonly strict: boolean;
}

export interface SummaryArm {
  readonly name: string;
  readonly training: Summary['arms'][string]['training'];
  /** Counts in the run's verdict; ignored for the base arm. */
  readonly gated: boolean;
}

/** Everything a summary is made of; the order of `items` and `verdicts` makes no difference. */
export interface SummaryInput {
  readonly arms: readonly SummaryArm[];
  readonly baseArm: string;
  readonly items: readonly ItemRecord[];
  readonly verdicts: readonly VerdictRecord[];
  readonly suites: readonly PlannedSuite[];
  readonly judges: readonly SuiteJudge[];
  readonly gate: GateSettings;
  /** `default` puts the paper's way under `driftPaper`; `paper` (recorded outcomes) gives that alone. */
  readonly driftMode?: 'default' | 'paper';
}
// summarise(input: SummaryInput): Summary
