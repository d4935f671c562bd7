import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type ProgressRecord, progressLogName, progressRecord } from '../progress-log.ts';
import { stageDocument } from '../record.ts';
import { parseOrNull } from './follow-outcomes.ts';
import type { LossPoint } from './live-run.ts';
import { tail } from './tail.ts';

/** What the log and the finished trainings of a run tell by now. */
export interface Training {
  /** The newest last. */
  readonly log: readonly ProgressRecord[];
  readonly losses: Readonly<Record<string, readonly LossPoint[]>>;
}

const logKept = 300;
const trainingStage = stageDocument.extend({
  result: z.object({ history: z.array(z.object({ step: z.int(), loss: z.number() })) }),
});

/** Losses come from the log while an arm is trained, and whole from its stage once it is. */
export function followTraining(directory: string): () => Training {
  const lines = tail(join(directory, progressLogName));
  const readStages = followStages(directory);
  let log: ProgressRecord[] = [];
  const running = new Map<string, Map<number, number>>();
  return () => {
    const fresh = lines.read();
    if (fresh.restarted) {
      log = [];
      running.clear();
    }
    const records = fresh.lines.flatMap((line) => parseOrNull(line, progressRecord) ?? []);
    log = [...log, ...records].slice(-logKept);
    for (const { stage, label, done, loss } of records) {
      if (stage !== 'train' || loss === undefined) continue;
      const own = running.get(label) ?? new Map<number, number>();
      running.set(label, own.set(done, loss));
    }
    const soFar = [...running].map(([arm, points]): [string, readonly LossPoint[]] => [
      arm,
      [...points].map(([step, loss]) => ({ step, loss })).sort((a, b) => a.step - b.step),
    ]);
    return { log, losses: Object.fromEntries([...soFar, ...readStages()]) };
  };
}

/** Reads the stage of every training once, when it is there. */
function followStages(directory: string): () => ReadonlyMap<string, readonly LossPoint[]> {
  const folder = join(directory, 'stages');
  const finished = new Map<string, readonly LossPoint[]>();
  const seen = new Set<string>();
  return () => {
    for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
      if (!/^train-.*\.json$/.test(name) || seen.has(name)) continue;
      seen.add(name);
      const stage = parseOrNull(readFileSync(join(folder, name), 'utf8'), trainingStage);
      if (!stage) continue;
      const history = stage.result.history.map(({ step, loss }) => ({ step, loss }));
      finished.set(stage.name.replace(/^train-/, ''), history);
    }
    return finished;
  };
}
