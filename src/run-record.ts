import { z } from 'zod';
import { serverRecord } from './server-record.ts';

/** The documents that frame a run folder: what was to be done, stages of it, and that it is done. */

/** What a run was asked to do: run.json, written first. */
export const runDocument = z.object({
  schema: z.literal('aftertune/run@1'),
  /** SHA-256 of the resolved config; a folder is resumed only under the same one. */
  configSha256: z.string(),
  config: z.object({ passed: z.unknown(), resolved: z.unknown() }),
  versions: z.record(z.string(), z.string()),
  seeds: z.record(z.string(), z.number()),
  /** SHA-256 by name: models, data files, judges. */
  hashes: z.record(z.string(), z.string()),
  /** Of models behind a server; left out where they are run here. */
  server: serverRecord.optional(),
  /** Judges that were added to the finished run, in the order of their adding; left out without any. */
  judgings: z
    .array(
      z.object({
        /** When it began. */
        at: z.iso.datetime(),
        name: z.string(),
        version: z.string(),
        fingerprint: z.string(),
        settings: z.unknown(),
        /** The version that ran it. */
        aftertune: z.string(),
      }),
    )
    .optional(),
});
export type RunDocument = z.infer<typeof runDocument>;

/** A finished run: done.json, written last; SHA-256 of every other file by its path in the folder. */
export const doneDocument = z.object({
  schema: z.literal('aftertune/done@1'),
  files: z.record(z.string(), z.string()),
});
export type DoneDocument = z.infer<typeof doneDocument>;

/** The result of a stage, kept under the hash of its inputs: a file of stages/. */
export const stageDocument = z.object({
  schema: z.literal('aftertune/stage@1'),
  name: z.string(),
  inputsSha256: z.string(),
  result: z.unknown(),
});
