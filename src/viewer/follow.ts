import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { repeatsOf } from '../config-suites.ts';
import { decimal } from '../format.ts';
import { runDocument } from '../record.ts';
import { runName } from '../run-facts.ts';
import { readDocument } from '../store.ts';
import type { SuiteKind } from '../suite.ts';
import { writerOf } from '../writer-lock.ts';
import { followOutcomes, type Outcomes } from './follow-outcomes.ts';
import { followTraining } from './follow-training.ts';
import type { LiveRun, LossPoint, RunningRate, StepProgress } from './live-run.ts';

/** Follows a run by its folder alone: no lock is taken, and every look reads what is new. */
export interface Follower {
  look(): LiveRun;
}

/** What of a resolved config is looked at here; an import has less of it. */
type Planned = Partial<Pick<Config, 'arms' | 'baseArm' | 'suites' | 'judges' | 'training'>>;

/** @throws AuditError `store` when run.json is damaged or of another version. */
export function followRun(directory: string): Follower {
  const run = readDocument(join(directory, 'run.json'), runDocument);
  const config = run.config.resolved as Planned;
  const arms = (config.arms ?? []).map(({ name }) => name);
  const outcomes = followOutcomes(directory);
  const training = followTraining(directory);
  let rates: readonly RunningRate[] = [];
  return {
    look: () => {
      const { counts, suites, changed, read, damage } = outcomes();
      const { log, losses } = training();
      if (changed) rates = counts.rates(arms);
      return {
        name: runName(run),
        arms,
        baseArm: config.baseArm ?? arms[0] ?? '',
        status: statusOf(directory),
        progress: arms.map((arm) => ({
          arm,
          steps: [
            ...trainingProgress(arm, config, losses[arm] ?? []),
            ...suiteProgress(arm, config, { suites, counts }),
          ],
        })),
        rates,
        losses,
        log,
        read,
        damage,
      };
    },
  };
}

/** Whether somebody writes in a run folder, left it, or finished it. */
export function statusOf(directory: string): LiveRun['status'] {
  if (existsSync(join(directory, 'done.json'))) return 'finished';
  return writerOf(directory) === null ? 'interrupted' : 'running';
}

function trainingProgress(arm: string, { arms, training }: Planned, losses: readonly LossPoint[]) {
  const train = arms?.find(({ name }) => name === arm)?.train ?? null;
  if (train === null || !training) return [];
  const last = losses.at(-1);
  const detail = last ? `loss ${decimal(last.loss, 3)}` : '';
  return [{ what: 'training', done: last?.step ?? 0, total: training.steps, detail }];
}

function suiteProgress(
  arm: string,
  { suites: settings, judges }: Planned,
  { suites, counts }: Pick<Outcomes, 'suites' | 'counts'>,
): StepProgress[] {
  return suites.flatMap(({ kind, items }) => {
    const planned = items * (settings ? repeatsOf({ suites: settings }, { kind }) : 1);
    const step = (what: string, done: number, total: number) => ({ what, done, total, detail: '' });
    return [
      step(`${kind} answers`, counts.answered(arm, kind), planned),
      step(`${kind} verdicts`, counts.judged(arm, kind), planned * judgesFor(kind, judges)),
    ];
  });
}

const judgesFor = (kind: SuiteKind, judges: Planned['judges']) =>
  kind === 'harm' ? (judges?.length ?? 1) : 1;
