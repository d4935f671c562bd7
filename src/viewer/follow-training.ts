import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type ProgressRecord, progressLogName, progressRecord } from '../progress-log.ts';
import { stageDocument } from '../record.ts';
import { type TailRead, tail, textsOf } from '../tail.ts';
import { parseOrNull } from './follow-outcomes.ts';
import type { LossPoint } from './live-run.ts';

/** What the log and the finished trainings of a run tell by now. */
export interface Training {
  /** The newest last. */
  readonly log: readonly ProgressRecord[];
  /** The same object as long as there is no new one; of long trainings not every step. */
  readonly losses: Readonly<Record<string, readonly LossPoint[]>>;
}

const logKept = 300;
/** More would not be told apart in a figure, and drawing them takes longer with every step. */
const lossesKept = 1000;
/** A long log that was not read yet is read on in the next look. */
const mostMs = 50;
const trainingStage = stageDocument.extend({
  result: z.object({ history: z.array(z.object({ step: z.int(), loss: z.number() })) }),
});

/** Losses come from the log while an arm is trained, and whole from its stage once it is. */
export function followTraining(directory: string): () => Training {
  const lines = tail(join(directory, progressLogName));
  const readStages = followStages(directory);
  let log: ProgressRecord[] = [];
  let losses: Training['losses'] = {};
  const running = new Map<string, Map<number, number>>();
  /** Whether any loss came. */
  const readOn = (fresh: TailRead): boolean => {
    if (fresh.restarted) {
      log = [];
      running.clear();
    }
    const records = textsOf(fresh.whole).flatMap((line) => parseOrNull(line, progressRecord) ?? []);
    log = [...log, ...records].slice(-logKept);
    const trained = records.filter(({ stage, loss }) => stage === 'train' && loss !== undefined);
    for (const { label, done, loss } of trained) {
      const own = running.get(label) ?? new Map<number, number>();
      running.set(label, own.set(done, loss!));
      if (own.size >= 2 * lossesKept) for (const step of [...own.keys()].filter(isOdd)) own.delete(step);
    }
    return trained.length > 0 || fresh.restarted;
  };
  return () => {
    const until = performance.now() + mostMs;
    let changed = false;
    let fresh: TailRead;
    do {
      fresh = lines.read();
      changed = readOn(fresh) || changed;
    } while (fresh.moved && performance.now() < until);
    const stages = readStages();
    if (changed || stages.changed) {
      const soFar = [...running].map(([arm, points]): [string, readonly LossPoint[]] => [
        arm,
        [...points].map(([step, loss]) => ({ step, loss })).sort((a, b) => a.step - b.step),
      ]);
      const known = [...soFar, ...stages.finished].map(([arm, points]) => [arm, thinned(points)] as const);
      losses = Object.fromEntries(known);
    }
    return { log, losses };
  };
}

const isOdd = (_: unknown, place: number) => place % 2 === 1;

/** Every point, or of many every second, third, …; the last one always. */
function thinned(points: readonly LossPoint[]): readonly LossPoint[] {
  const stride = Math.ceil(points.length / lossesKept);
  return stride <= 1
    ? points
    : points.filter((_, place) => place % stride === 0 || place === points.length - 1);
}

/** Reads the stage of every training once, when it is there. */
function followStages(directory: string) {
  const folder = join(directory, 'stages');
  const finished = new Map<string, readonly LossPoint[]>();
  const seen = new Set<string>();
  return (): { readonly finished: ReadonlyMap<string, readonly LossPoint[]>; readonly changed: boolean } => {
    const before = seen.size;
    for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
      if (!/^train-.*\.json$/.test(name) || seen.has(name)) continue;
      seen.add(name);
      const stage = parseOrNull(readFileSync(join(folder, name), 'utf8'), trainingStage);
      if (!stage) continue;
      const history = stage.result.history.map(({ step, loss }) => ({ step, loss }));
      finished.set(stage.name.replace(/^train-/, ''), history);
    }
    return { finished, changed: seen.size > before };
  };
}
