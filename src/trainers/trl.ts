import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted } from '../errors.ts';
import type { Trainer, TrainingJob } from '../trainer.ts';
import { adopt, adopted, isFinished } from './trl/adopt.ts';
import { failureOf } from './trl/failure.ts';
import { type JobFolder, prepareJob, scriptName } from './trl/job.ts';
import { commandFor, runLauncher, splitCommand } from './trl/launcher.ts';
import { pythonPackages } from './trl/packages.ts';
import { watchSteps } from './trl/progress.ts';

export interface TrlOptions {
  /** The command that runs the script, or `wait` for a folder that another machine fills. */
  readonly launcher: string;
  /** Between two looks at the folder. */
  readonly pollMs?: number;
}

/**
 * LoRA fine-tuning by TRL and PEFT in a Python of the user's: the same rows, order, initial adapter, schedule and loss
 * as the embedded trainer's. Dropout draws other numbers, and packing is a matter of the embedded trainer alone.
 * @throws AuditError `config` when the launcher line cannot be read.
 */
export function createTrlTrainer({ launcher, pollMs = 500 }: TrlOptions): Trainer {
  splitCommand(launcher);
  return {
    name: 'trl',
    async train(job) {
      let folder = await prepareJob(job);
      const before = await adopted(folder, job.outputDirectory);
      if (before) return before;
      // An adapter that was taken over and is gone is trained anew.
      if (!existsSync(folder.directory)) folder = await prepareJob(job);
      if (!isFinished(folder)) {
        if (launcher === 'wait') await waitForFolder(folder, job, pollMs);
        else await launch(folder, job, launcher, pollMs);
      }
      return adopt(folder, job.outputDirectory);
    },
    versions: () => pythonPackages(launcher),
  };
}

async function launch(folder: JobFolder, job: TrainingJob, line: string, pollMs: number): Promise<void> {
  throwIfAborted(job.signal);
  const steps = watchSteps(folder, job.onStep ?? (() => {}));
  const timer = setInterval(() => steps.look(), pollMs);
  try {
    const ending = await runLauncher(commandFor(line, folder.directory), folder.directory, job.signal);
    steps.look();
    throwIfAborted(job.signal);
    if (ending.code !== 0 || !isFinished(folder)) throw failureOf(ending, folder.directory);
  } finally {
    clearInterval(timer);
  }
}

/** Looks until finished.json is there; Ctrl-C ends the waiting and nothing else. */
async function waitForFolder(folder: JobFolder, job: TrainingJob, pollMs: number): Promise<void> {
  const steps = watchSteps(folder, job.onStep ?? (() => {}));
  job.onWait?.(
    `waiting for ${join(folder.directory, 'finished.json')}: copy the folder to the machine that trains, run python ${scriptName} config.json in it, copy it back`,
  );
  while (!isFinished(folder)) {
    throwIfAborted(job.signal);
    await sleep(pollMs, undefined, job.signal && { signal: job.signal }).catch(() => {});
    steps.look();
  }
}
