import type { ProgressRecord } from '../progress-log.ts';
import type { Rate } from '../rate.ts';
import type { SuiteKind } from '../suite.ts';

/** A run while it is going on, as a page shows it. */

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** How far one arm is with one thing. */
export interface StepProgress {
  /** `training`, `harm answers`, `harm verdicts`. */
  readonly what: string;
  readonly done: number;
  readonly total: number;
  /** More to say, as in `loss 1.42`. */
  readonly detail: string;
}

export interface ArmProgress {
  readonly arm: string;
  readonly steps: readonly StepProgress[];
}

/** A rate over what is judged so far. */
export interface RunningRate extends Pick<Rate, 'positive' | 'scored' | 'unscored' | 'rate' | 'ci95'> {
  readonly suite: SuiteKind;
  /** `attack success rate`, `accuracy, false context`. */
  readonly measure: string;
  readonly arm: string;
  readonly judge: string;
}

export interface LiveRun {
  readonly name: string;
  readonly arms: readonly string[];
  readonly baseArm: string;
  readonly status: 'running' | 'interrupted' | 'finished';
  readonly progress: readonly ArmProgress[];
  readonly rates: readonly RunningRate[];
  /** By arm, so far; with gaps while a training is going on. */
  readonly losses: Readonly<Record<string, readonly LossPoint[]>>;
  /** The newest last. */
  readonly log: readonly ProgressRecord[];
  /** How much of the journals is counted by now, 0 to 1: a long one is read bit by bit. */
  readonly read: number;
  /** What could not be read, in words. */
  readonly damage: readonly string[];
}
