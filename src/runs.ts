import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from './errors.ts';
import type { Verdict } from './record.ts';
import { readRun } from './store.ts';
import { writerOf } from './writer-lock.ts';

/** A run folder at a glance. */
export interface RunOverview {
  readonly directory: string;
  readonly name: string;
  /** `unreadable`: damaged, or of another version. */
  readonly status: 'finished' | 'running' | 'interrupted' | 'unreadable';
  readonly verdict: Verdict | null;
  readonly arms: readonly string[];
  /** Answers kept so far. */
  readonly answers: number;
  /** When run.json was written, ISO 8601. */
  readonly started: string;
}

/** Every run folder directly under `directory`, oldest first; empty when there is no such folder. */
export function listRuns(directory: string): RunOverview[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'run.json')))
    .map(({ name }) => overview(join(directory, name), name))
    .sort((a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : 0));
}

function overview(directory: string, name: string): RunOverview {
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
      answers: countLines(join(directory, 'items.jsonl')),
      started,
    };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { directory, name, status: 'unreadable', verdict: null, arms: [], answers: 0, started };
  }
}

function countLines(path: string): number {
  if (!existsSync(path)) return 0;
  return readFileSync(path).reduce((lines, byte) => lines + (byte === 10 ? 1 : 0), 0);
}
