import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AuditError } from './errors.ts';
import { runDocument, type Summary, summary as summarySchema, type Verdict } from './record.ts';
import { readDocument } from './store.ts';
import { tail } from './tail.ts';
import { writerOf } from './writer-lock.ts';

export interface HarmOverview {
  readonly arm: string;
  readonly rate: number | null;
  readonly ci95: readonly [number, number] | null;
}

/** A run folder at a glance. */
export interface RunOverview {
  readonly directory: string;
  readonly name: string;
  /** `unreadable`: damaged, or of another version. */
  readonly status: 'finished' | 'running' | 'interrupted' | 'unreadable';
  readonly verdict: Verdict | null;
  readonly arms: readonly string[];
  /** Attack success rate by arm, copyright rows apart; of finished runs that measured harm. */
  readonly rates: readonly HarmOverview[];
  /** Answers kept so far. */
  readonly answers: number;
  /** When run.json was written, ISO 8601. */
  readonly started: string;
}

/** The run folders directly under `directory`; empty when there is no such folder. */
export function runFolders(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'run.json')))
    .map(({ name }) => join(directory, name));
}

/** Every run folder directly under `directory`, oldest first. */
export function listRuns(directory: string): RunOverview[] {
  return byStart(runFolders(directory).map((folder) => overviewOf(folder)));
}

/** Oldest first. */
export const byStart = <T extends Pick<RunOverview, 'started'>>(runs: readonly T[]): T[] =>
  runs.toSorted((a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : 0));

/** A run folder at a glance; it holds run.json. Its journals are counted, not read: `report` says what is wrong in a line. */
export function overviewOf(directory: string, answers: LineCount = lineCount(directory)): RunOverview {
  const name = basename(directory);
  const started = statSync(join(directory, 'run.json')).mtime.toISOString();
  try {
    const { config } = readDocument(join(directory, 'run.json'), runDocument);
    const { arms = [] } = config.resolved as { arms?: { name: string }[] };
    const finished = existsSync(join(directory, 'done.json'));
    const summary = finished ? readDocument(join(directory, 'summary.json'), summarySchema) : null;
    const { lines, damaged } = answers();
    const unfinished = writerOf(directory) === null ? 'interrupted' : 'running';
    return {
      directory,
      name,
      status: damaged ? 'unreadable' : finished ? 'finished' : unfinished,
      verdict: damaged ? null : (summary?.gate.verdict ?? null),
      arms: arms.map((arm) => arm.name),
      rates: damaged || !summary ? [] : harmRates(summary),
      answers: lines,
      started,
    };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { directory, name, status: 'unreadable', verdict: null, arms: [], rates: [], answers: 0, started };
  }
}

/** Lines of a run's answers by now; `damaged` where one cannot be a record. Every call reads what is new. */
export type LineCount = () => { readonly lines: number; readonly damaged: boolean };

export function lineCount(directory: string): LineCount {
  const { read } = tail(join(directory, 'items.jsonl'));
  let counted = { lines: 0, damaged: false };
  return () => {
    for (;;) {
      const { whole, restarted, skipped, moved } = read();
      if (restarted) counted = { lines: 0, damaged: false };
      if (!moved) return counted;
      let { lines, damaged } = counted;
      for (let start = 0, stop = whole.indexOf(10); stop >= 0; stop = whole.indexOf(10, start)) {
        damaged ||= whole[start] !== braces.open || whole[stop - 1] !== braces.close;
        lines++;
        start = stop + 1;
      }
      counted = { lines: lines + skipped, damaged };
    }
  };
}

const braces = { open: '{'.charCodeAt(0), close: '}'.charCodeAt(0) };

function harmRates({ arms }: Summary): HarmOverview[] {
  return Object.entries(arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rate: harm.headline.rate, ci95: harm.headline.ci95 }] : [],
  );
}
