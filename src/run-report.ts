import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from './errors.ts';
import { readText } from './files.ts';
import { writeJunit } from './junit.ts';
import type { RunDocument, Summary } from './record.ts';
import { type ReportInput, type ReportOptions, writeReport } from './report.ts';
import { openStore, type RunStore, readRun } from './store.ts';
import type { Suite } from './suite.ts';
import type { TrainingStep } from './trainer.ts';

/** What a run asked and how its arms were trained: the part of a report that is in no other document. */
export interface RunSetting {
  readonly suites: readonly Suite[];
  readonly histories: Readonly<Record<string, readonly TrainingStep[]>>;
}

const settingDocument = z.object({
  schema: z.literal('aftertune/setting@1'),
  suites: z.array(z.custom<Suite>()),
  histories: z.record(z.string(), z.array(z.custom<TrainingStep>())),
});

/** Keeps what a later `report` needs beside the records, so that it asks for no data file again. */
export function writeSetting(store: RunStore, { suites, histories }: RunSetting): void {
  store.write('setting.json', `${JSON.stringify({ schema: 'aftertune/setting@1', suites, histories })}\n`);
}

/** Writes everything that is made from a run's records: report.md, report.html, figures and junit.xml. */
export async function reportRun(store: RunStore, input: ReportInput, options: ReportOptions): Promise<void> {
  await writeReport(store.directory, input, options);
  store.write('junit.xml', writeJunit(input.summary));
}

/**
 * Writes the report of a finished run anew.
 * @throws AuditError `store` when the folder holds no finished run.
 */
export async function rewriteReport(directory: string, options: ReportOptions): Promise<Summary> {
  const { run, summary, items, verdicts, finished } = readRun(directory);
  if (!summary || !finished) {
    throw new AuditError('store', `${directory}: this run is not finished`, {
      hint: 'run the same command that began it again: it resumes',
    });
  }
  const parsed = settingDocument.safeParse(
    JSON.parse(readText(join(directory, 'setting.json'), 'store', 'run folder')),
  );
  if (!parsed.success)
    throw new AuditError('store', `${directory}: setting.json is damaged`, {
      hint: 'start over with --fresh',
    });
  const store = openStore(directory, run);
  try {
    const input = { name: runName(run), summary, items, verdicts, facts: factsOf(run), ...parsed.data };
    await reportRun(store, input, options);
    await store.finish();
  } finally {
    store.close();
  }
  return summary;
}

/** The run's name as its config gave it. */
export function runName(run: RunDocument): string {
  const { name } = run.config.resolved as { name?: unknown };
  return typeof name === 'string' ? name : 'audit';
}

/** What a report prints of run.json: hashes, seeds and versions. */
export function factsOf(run: RunDocument): ReportInput['facts'] {
  return {
    'Files (SHA-256)': run.hashes,
    Seeds: run.seeds,
    Versions: run.versions,
    Config: { 'SHA-256': run.configSha256 },
  };
}
