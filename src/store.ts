import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { z } from 'zod';
import { refuseOtherConfig } from './decisive.ts';
import { AuditError } from './errors.ts';
import { clearLeftovers, diskError, isLeftover, makeFolder, readText, writeFileAtomic } from './files.ts';
import { type MarginRecord, marginRecord, type OpeningRecord, openingRecord } from './harm-record.ts';
import { sha256File, sha256Json } from './hash.ts';
import { type Journal, type Line, openJournal, readJournal, storedJournal } from './journal.ts';
import { progressLogName } from './progress-log.ts';
import {
  doneDocument,
  type ItemRecord,
  itemRecord,
  type RunDocument,
  runDocument,
  type Summary,
  stageDocument,
  summary,
  type TopLogprobsRecord,
  topLogprobsRecord,
  type VerdictRecord,
  verdictRecord,
} from './record.ts';
import { isLock, lockFolder } from './writer-lock.ts';

/** The folder of one run, open for writing. */
export interface RunStore {
  readonly directory: string;
  /** Whether the folder held a finished run when it was opened. */
  readonly wasFinished: boolean;
  readonly items: Journal<ItemRecord>;
  readonly verdicts: Journal<VerdictRecord>;
  /** Null unless the run keeps them. */
  readonly topLogprobs: Journal<TopLogprobsRecord> | null;
  /** Opened, and made, when it is first asked for; as the next. */
  margins(): Journal<MarginRecord>;
  openings(): Journal<OpeningRecord>;
  /**
   * The result of a stage: read where it was finished under equal `inputs`, otherwise made by `produce` and kept.
   * The result must be plain JSON. `holds`: whether what the result points to (an adapter folder, say) is still there.
   */
  stage<T>(
    name: string,
    inputs: unknown,
    produce: () => Promise<T>,
    holds?: (result: T) => boolean | Promise<boolean>,
  ): Promise<T>;
  /** Writes a document (summary.json, report.html, figures/asr.svg) whole or not at all. */
  write(name: string, data: string | Uint8Array | Iterable<Uint8Array>): void;
  /** Commits the journals and writes done.json, with the hash of every file, last. */
  finish(): Promise<void>;
  /** Commits the journals and lets go of the folder; the run can be resumed or read afterwards. */
  close(): void;
}

/**
 * Opens a run folder for writing: makes it (mode 0700) and writes run.json first, or resumes it.
 * `fresh` empties a folder that holds a run; it never empties any other folder.
 * @throws AuditError `config` when the folder holds a run of another config, or is not a run folder;
 * `store` when another process writes there or a record is damaged; `disk` when it cannot be written.
 */
export function openStore(
  directory: string,
  run: RunDocument,
  options: { fresh?: boolean; keepTopLogprobs?: boolean } = {},
): RunStore {
  makeRunFolder(directory);
  const unlock = lockFolder(directory);
  try {
    const wasFinished = existsSync(join(directory, 'done.json')) && !options.fresh;
    prepare(directory, run, options.fresh ?? false);
    return storeOf(directory, unlock, { wasFinished, keepTopLogprobs: options.keepTopLogprobs ?? false });
  } catch (error) {
    unlock();
    throw error;
  }
}

function storeOf(
  directory: string,
  unlock: () => void,
  { wasFinished, keepTopLogprobs }: { wasFinished: boolean; keepTopLogprobs: boolean },
): RunStore {
  const items = openJournal(join(directory, 'items.jsonl'), itemRecord, gotNoAnswer);
  const verdicts = openJournal(join(directory, 'verdicts.jsonl'), verdictRecord, isJudgeError);
  const topLogprobs = keepTopLogprobs
    ? openJournal(join(directory, 'top-logprobs.jsonl'), topLogprobsRecord)
    : null;
  const journals: Pick<Journal<never>, 'flush' | 'close'>[] = [items, verdicts];
  if (topLogprobs) journals.push(topLogprobs);
  const whenAsked = <T extends Line>(name: string, schema: z.ZodType<T>) => {
    let journal: Journal<T> | null = null;
    return () => {
      if (!journal) journals.push((journal = openJournal(join(directory, name), schema)));
      return journal;
    };
  };
  return {
    directory,
    wasFinished,
    items,
    verdicts,
    topLogprobs,
    margins: whenAsked('margins.jsonl', marginRecord),
    openings: whenAsked('openings.jsonl', openingRecord),
    stage: (name, inputs, produce, holds) => runStage(directory, name, inputs, produce, holds),
    write: (name, data) => writeFileAtomic(join(directory, name), data),
    finish: async () => {
      for (const journal of journals) journal.flush();
      rmSync(join(directory, progressLogName), { force: true });
      writeJson(join(directory, 'done.json'), {
        schema: 'aftertune/done@1',
        files: await hashFiles(directory),
      });
    },
    close: () => {
      try {
        closeAll(journals);
      } finally {
        unlock();
      }
    },
  };
}

/** What a resumed run asks, or judges, again. */
const gotNoAnswer = ({ failure }: ItemRecord) => failure !== undefined;
const isJudgeError = (verdict: VerdictRecord) =>
  ('reason' in verdict && verdict.reason === 'judge_error') ||
  ('withThinking' in verdict && verdict.withThinking?.reason === 'judge_error');

/** Closes every one, whatever fails. @throws the first failure. */
function closeAll(journals: readonly { close(): void }[]): void {
  const [first, ...rest] = journals;
  if (!first) return;
  try {
    first.close();
  } finally {
    closeAll(rest);
  }
}

/** A run folder as it lies, finished or not, read without a lock. */
export interface StoredRun {
  readonly run: RunDocument;
  readonly items: readonly ItemRecord[];
  readonly verdicts: readonly VerdictRecord[];
  /** Refusal margins; empty where they were not measured. */
  readonly margins: readonly MarginRecord[];
  /** Null where the run has not come so far. */
  readonly summary: Summary | null;
  readonly finished: boolean;
}

/** Reads a run folder. @throws AuditError `store` when it is not one, is of another version, or is damaged. */
export function readRun(directory: string): StoredRun {
  return {
    ...readDocuments(directory),
    items: readJournal(join(directory, 'items.jsonl'), itemRecord),
    verdicts: readJournal(join(directory, 'verdicts.jsonl'), verdictRecord),
  };
}

/** As `readRun`, but records stay on the disk: each was looked at, and is read again when they are gone through. */
export function openRun(directory: string) {
  return {
    ...readDocuments(directory),
    items: storedJournal(join(directory, 'items.jsonl'), itemRecord),
    verdicts: storedJournal(join(directory, 'verdicts.jsonl'), verdictRecord),
  };
}

function readDocuments(directory: string): Omit<StoredRun, 'items' | 'verdicts'> {
  if (!existsSync(join(directory, 'run.json')))
    throw new AuditError('store', `${directory}: not a run folder (no run.json)`, {
      hint: 'give the folder that `run --out` wrote',
    });
  const summaryPath = join(directory, 'summary.json');
  return {
    run: readDocument(join(directory, 'run.json'), runDocument),
    margins: readJournal(join(directory, 'margins.jsonl'), marginRecord),
    summary: existsSync(summaryPath) ? readDocument(summaryPath, summary) : null,
    finished: existsSync(join(directory, 'done.json')),
  };
}

/** What differs from done.json, one line per file: missing, changed or added; empty for an intact run. */
export async function verifyRun(directory: string): Promise<string[]> {
  const { files: expected } = readDocument(join(directory, 'done.json'), doneDocument);
  const found = await hashFiles(directory);
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return names.flatMap((name) => {
    if (!(name in found)) return [`${name}: missing`];
    if (!(name in expected)) return [`${name}: added`];
    return expected[name] === found[name] ? [] : [`${name}: changed`];
  });
}

function makeRunFolder(directory: string): void {
  try {
    const made = makeFolder(directory);
    if (made) chmodSync(directory, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new AuditError('config', `${directory}: is a file`, { hint: 'choose another folder with --out' });
    throw diskError(directory, error);
  }
}

/** Brings the folder to where run.json is this run's and done.json is gone. */
function prepare(directory: string, run: RunDocument, fresh: boolean): void {
  const runPath = join(directory, 'run.json');
  const entries = readdirSync(directory).filter((name) => !isLock(name) && !isLeftover(name));
  const holdsRun = entries.includes('run.json');
  if (entries.length > 0 && !holdsRun) {
    throw new AuditError('config', `${directory}: holds files, but no run`, {
      hint: 'choose an empty or new folder with --out',
    });
  }
  clearLeftovers(directory);
  if (holdsRun && !fresh) refuseOtherConfig(directory, readDocument(runPath, runDocument), run);
  try {
    // run.json goes last: a wipe that is cut off leaves a folder that is still known as a run.
    const stale = fresh ? [...entries.filter((name) => name !== 'run.json'), 'run.json'] : ['done.json'];
    for (const name of stale) rmSync(join(directory, name), { recursive: true, force: true });
  } catch (error) {
    throw diskError(directory, error);
  }
  if (!holdsRun || fresh) writeJson(runPath, run);
}

async function runStage<T>(
  directory: string,
  name: string,
  inputs: unknown,
  produce: () => Promise<T>,
  holds: (result: T) => boolean | Promise<boolean> = () => true,
): Promise<T> {
  const inputsSha256 = sha256Json(inputs);
  const path = join(directory, 'stages', `${name}-${inputsSha256.slice(0, 16)}.json`);
  if (existsSync(path)) {
    const result = readDocument(path, stageDocument).result as T;
    if (await holds(result)) return result;
  }
  const text = JSON.stringify(await produce());
  writeFileAtomic(
    path,
    `{"schema":"aftertune/stage@1","name":${JSON.stringify(name)},"inputsSha256":"${inputsSha256}","result":${text}}\n`,
  );
  return JSON.parse(text) as T;
}

/** SHA-256 of every file by its path from the folder, with `/`; locks, leftovers and done.json apart. */
async function hashFiles(directory: string): Promise<Record<string, string>> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    // Another process's half-written file may be gone before it is read.
    .filter((entry) => entry.isFile() && !isLock(entry.name) && !isLeftover(entry.name))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => name !== 'done.json')
    .sort();
  const hashes: Record<string, string> = {};
  for (const name of files) hashes[name] = await sha256File(join(directory, name));
  return hashes;
}

function writeJson(path: string, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readText(path, 'store', 'run folder'));
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw new AuditError('store', `${path}: is not JSON`, {
      hint: 'restore the file from a copy, or start over with --fresh',
      cause: error,
    });
  }
}

/** Reads one JSON document of a run folder. @throws AuditError `store` when it is missing, damaged or of another version. */
export function readDocument<T>(path: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(readJson(path));
  if (parsed.success) return parsed.data;
  throw new AuditError('store', `${path}: not a document this version reads`, {
    hint: 'written by another version, or changed by hand: start over with --fresh or another --out',
    problems: parsed.error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`),
  });
}
