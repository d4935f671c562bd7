import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AuditError } from './errors.ts';
import type { Summary, Verdict } from './record.ts';
import { readRun } from './store.ts';
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
  return byStart(runFolders(directory).map(overviewOf));
}

/** Oldest first. */
export const byStart = <T extends Pick<RunOverview, 'started'>>(runs: readonly T[]): T[] =>
  runs.toSorted((a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : 0));

/** A run folder at a glance; it holds run.json. */
export function overviewOf(directory: string): RunOverview {
  const name = basename(directory);
  const started = statSync(join(directory, 'run.json')).mtime.toISOString();
  try {
    const { run, summary, finished } = readRun(directory);
    const resolved = run.config.resolved as { arms?: { name: string }[] };
    return {
      directory,
      name,
      status: finished ? 'finished' : writerOf(directory) === null ? 'interrupted' : 'running',
      verdict: finished ? (summary?.gate.verdict ?? null) : null,
      arms: (resolved.arms ?? []).map((arm) => arm.name),
      rates: finished && summary ? harmRates(summary) : [],
      answers: countLines(join(directory, 'items.jsonl')),
      started,
    };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { directory, name, status: 'unreadable', verdict: null, arms: [], rates: [], answers: 0, started };
  }
}

function harmRates({ arms }: Summary): HarmOverview[] {
  return Object.entries(arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rate: harm.headline.rate, ci95: harm.headline.ci95 }] : [],
  );
}

function countLines(path: string): number {
  if (!existsSync(path)) return 0;
  return readFileSync(path).reduce((lines, byte) => lines + (byte === 10 ? 1 : 0), 0);
}
