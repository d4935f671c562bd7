import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Progress } from './progress.ts';

/** What happens while a run is going on, for those who look on: progress.jsonl in its folder, gone once the run is finished. */

export const progressLogName = 'progress.jsonl';

/** One line of it. */
export const progressRecord = z.object({
  schema: z.literal('aftertune/progress@1'),
  /** ISO 8601. */
  at: z.iso.datetime(),
  stage: z.enum(['download', 'read', 'train', 'generate', 'judge', 'report', 'merge', 'import', 'export']),
  label: z.string(),
  done: z.number(),
  total: z.number(),
  unit: z.string(),
  detail: z.string().optional(),
  /** Of a step of training, nats per labelled token. */
  loss: z.number().optional(),
});
export type ProgressRecord = z.infer<typeof progressRecord>;

const leastMs = 500;

/** Adds the first and the last update of every stage to a run folder's log, and one every half second between them; what a person is asked always. */
export function progressLog(directory: string, now: () => number = Date.now): (progress: Progress) => void {
  const path = join(directory, progressLogName);
  let title = '';
  let written = 0;
  return ({ stage, label, done, total, unit, detail, loss, asks }) => {
    const own = `${stage} ${label}`;
    const at = now();
    // The clock may have been set back.
    if (own === title && done < total && !asks && Math.abs(at - written) < leastMs) return;
    [title, written] = [own, at];
    const record: ProgressRecord = {
      schema: 'aftertune/progress@1',
      at: new Date(at).toISOString(),
      ...{ stage, label, done, total, unit },
      ...(detail !== undefined && { detail }),
      ...(loss !== undefined && { loss }),
    };
    try {
      appendFileSync(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    } catch {
      // It is there to be looked at: a full disk is told by what has to be kept.
    }
  };
}

interface Watched {
  readonly onProgress?: (progress: Progress) => void;
}

/** The same options, whose progress goes into a run folder's log too. */
export function logged<T extends Watched>(options: T, directory: string): T {
  const log = progressLog(directory);
  const onProgress = (progress: Progress) => {
    log(progress);
    options.onProgress?.(progress);
  };
  return { ...options, onProgress };
}
