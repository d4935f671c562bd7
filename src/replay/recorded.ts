import { defaultGate } from '../config.ts';
import { createOutcomeTable, type OutcomeTable } from '../outcome-table.ts';
import type { PlannedItem, VerdictFacts } from '../outcomes.ts';
import type { Summary, Uncertainty } from '../record.ts';
import type { SuiteKind } from '../suite.ts';
import { type SuiteJudge, type SummarySetting, summariseRows } from '../summarise.ts';

/** Outcomes that somebody recorded: what a summary is made of. */
export interface Recorded {
  readonly name: string;
  readonly setting: SummarySetting;
  readonly table: OutcomeTable;
  /** The files it was read from. */
  readonly files: readonly string[];
  /** Caveats of an earlier summary: those that records alone do not give are kept. */
  readonly caveats?: readonly string[];
}

/** Its summary; caveats of an earlier one that records alone do not give come first. */
export function summariseRecorded({
  setting,
  table,
  caveats = [],
}: Pick<Recorded, 'setting' | 'table' | 'caveats'>): Summary {
  const computed = summariseRows(setting, table.rowsOf);
  const carried = caveats.filter((caveat) => !computed.caveats.includes(caveat));
  return { ...computed, caveats: [...carried, ...computed.caveats] };
}

/**
 * The same outcomes held to other rules: what the earlier summary says because of its own rules, such as that its items
 * are too few at its margins, does not count under these.
 */
export function underSetting(recorded: Recorded, setting: SummarySetting): Recorded {
  const { caveats: own } = summariseRows(recorded.setting, recorded.table.rowsOf);
  return { ...recorded, setting, caveats: recorded.caveats?.filter((caveat) => !own.includes(caveat)) ?? [] };
}

/** Whoever gave the labels and flags, they are taken as they are. */
const recordedJudge = { name: 'recorded', version: '1', fingerprint: 'recorded' };

/** An answer as it was recorded; null where a number is missing. */
export interface RecordedAnswer {
  readonly correct: boolean;
  readonly adopted: boolean;
  readonly perplexity: number | null;
  readonly entropy: number | null;
  readonly probability: number | null;
}

const flags = (correct: boolean, adopted: boolean): VerdictFacts<'drift'> => ({
  label: correct ? 'correct' : 'incorrect',
  adopted,
  exactMatch: null,
  tokenF1: null,
  paper: { correct, adopted },
});
/** By correct, then by adopted. */
const flagged = [
  [flags(false, false), flags(false, true)],
  [flags(true, false), flags(true, true)],
] as const;

/** Puts labels and answers together in the order they are read; the first arm is the base. */
export class RecordedOutcomes {
  readonly #table = createOutcomeTable();
  readonly #arms = new Set<string>();
  readonly #kinds = new Set<SuiteKind>();
  readonly #conditions = new Set<string>();
  /** Answers without usable numbers, by arm and condition. */
  readonly #bare = new Map<string, number>();

  addArms(names: readonly string[]): void {
    for (const name of names) this.#arms.add(name);
  }

  planBehaviour(item: Omit<PlannedItem, 'condition'>): void {
    this.#kinds.add('harm');
    this.#table.plan('harm', [{ ...item, condition: 'default' }]);
  }

  addLabel(arm: string, id: string, label: 'safe' | 'unsafe'): void {
    const place = { arm, suite: 'harm', id, condition: 'default', repeat: 0 } as const;
    this.#table.addVerdict<'harm'>(place, recordedJudge, { label, reason: null });
  }

  /** Plans a condition when it is met for the first time: every arm was asked every question. */
  planCondition(condition: string, ids: readonly string[]): void {
    this.#kinds.add('drift');
    if (this.#conditions.has(condition)) return;
    this.#conditions.add(condition);
    const blank = { condition, functionalCategory: null, semanticCategory: null };
    this.#table.plan(
      'drift',
      ids.map((id) => ({ id, ...blank })),
    );
  }

  /** @returns false where this question was not planned, or is answered already. */
  addAnswer(
    arm: string,
    condition: string,
    id: string,
    answer: RecordedAnswer,
  ): 'added' | 'replaced' | 'unplanned' {
    this.#arms.add(arm);
    const place = { arm, suite: 'drift', id, condition, repeat: 0 } as const;
    const { correct, adopted } = answer;
    const uncertaintyPaper = uncertaintyOf(answer);
    if (uncertaintyPaper === null) {
      const key = `${arm}, ${condition}`;
      this.#bare.set(key, (this.#bare.get(key) ?? 0) + 1);
    }
    this.#table.addVerdict<'drift'>(place, recordedJudge, flagged[correct ? 1 : 0][adopted ? 1 : 0]);
    const numbers = { uncertainty: null, uncertaintyPaper, confidence: null, truncatedMass: null };
    return this.#table.addGeneration(place, {
      finishReason: 'stop',
      ...numbers,
      thought: false,
      answered: true,
      repetitive: false,
    });
  }

  finish(name: string, files: readonly string[]): Recorded {
    const [baseArm = ''] = this.#arms;
    const kinds = (['harm', 'drift'] as const).filter((kind) => this.#kinds.has(kind));
    return {
      name,
      files,
      table: this.#table,
      setting: {
        arms: [...this.#arms].map((arm) => ({ name: arm, training: null, gated: true })),
        baseArm,
        suites: kinds.map((kind) => ({ kind, items: [] })),
        judges: kinds.map((suite): SuiteJudge => ({ suite, ...recordedJudge })),
        gate: defaultGate,
        driftMode: 'paper',
        notes: [
          'Replayed from recorded outcomes: labels and flags are taken as they were recorded.',
          ...[...this.#bare].map(
            ([where, count]) =>
              `${where}: ${count} answers have no usable perplexity, entropy and probability; uncertainty and calibration leave them out.`,
          ),
        ],
      },
    };
  }
}

function uncertaintyOf({ perplexity, entropy, probability }: RecordedAnswer): Uncertainty | null {
  return perplexity === null || entropy === null || probability === null
    ? null
    : { perplexity, entropy, probability };
}

/** What a recorded number may be. @returns the number, null where it is missing, or what is wrong with it. */
export function readNumber(name: keyof Uncertainty, value: unknown): number | null | string {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'number') return `${name}: expected a number`;
  const fits =
    name === 'probability' ? value >= 0 && value <= 1 : name === 'entropy' ? value >= 0 : value > 0;
  return fits ? value : `${name}: ${value} is out of range`;
}
