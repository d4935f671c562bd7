import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { templateDate } from './conversation.ts';
import { AuditError } from './errors.ts';
import { sha256File } from './hash.ts';
import { adjudicatedDocument } from './human-record.ts';
import { junitCases, writeJunit } from './junit.ts';
import type { RunDocument, Summary } from './record.ts';
import { type ReportInput, type ReportOptions, writeReport } from './report.ts';
import { settingDocument } from './setting.ts';
import { openStore, type RunStore, readDocument, readRun, verifyRun } from './store.ts';
import type { RecordedSuite } from './suite.ts';
import type { TrainingStep } from './trainer.ts';

/** What a run asked and how its arms were trained: the part of a report that is in no other document (setting.json). */
export interface RunSetting {
  readonly suites: readonly RecordedSuite[];
  readonly histories: Readonly<Record<string, readonly TrainingStep[]>>;
  /** Caveats known before anything was asked. */
  readonly notes?: readonly string[];
}

/** Keeps what a later `report` needs beside the records, so that it asks for no data file again; no `enableThinking`: nothing was rendered here. */
export function writeSetting(
  store: RunStore,
  { suites, histories, notes = [] }: RunSetting,
  enableThinking?: boolean | null,
): void {
  const setting = {
    schema: 'aftertune/setting@1',
    suites,
    ...(enableThinking !== undefined && { rendering: { enableThinking, templateDate } }),
    histories,
    ...(notes.length > 0 && { notes }),
  };
  store.write('setting.json', `${JSON.stringify(setting)}\n`);
}

/** Writes everything that is made from a run's records: report.md, report.html, figures and junit.xml. */
export async function reportRun(store: RunStore, input: ReportInput, options: ReportOptions): Promise<void> {
  const adjudicated = await readAdjudicated(store.directory);
  await writeReport(store.directory, { ...input, ...(adjudicated && { adjudicated }) }, options);
  store.write('junit.xml', writeJunit(junitCases(input.summary)));
}

/**
 * What people's labels came to when `adjudicate` last ran, and which records have changed since; null without any.
 * @throws AuditError `store` when adjudicated.json is damaged.
 */
export async function readAdjudicated(directory: string): Promise<ReportInput['adjudicated'] | null> {
  const path = join(directory, 'adjudicated.json');
  if (!existsSync(path)) return null;
  const document = readDocument(path, adjudicatedDocument);
  const changed: string[] = [];
  for (const [file, hash] of Object.entries(document.hashes)) {
    const now = existsSync(join(directory, file)) ? await sha256File(join(directory, file)) : null;
    if (now !== hash) changed.push(file);
  }
  return { document, changed };
}

/**
 * A finished run with what it asked, as it was left.
 * @throws AuditError `store` when it is not finished, was changed since, or is damaged.
 */
export async function readFinishedRun(directory: string) {
  const { finished, summary, ...rest } = readRun(directory);
  if (!summary || !finished) {
    throw new AuditError('store', `${directory}: this run is not finished`, {
      hint: 'run the same command that began it again: it resumes',
    });
  }
  await refuseChanged(directory);
  return { ...rest, summary, ...readDocument(join(directory, 'setting.json'), settingDocument) };
}

/**
 * Writes the report of a finished run anew.
 * @throws AuditError `store` when the folder holds no finished run.
 */
export async function rewriteReport(directory: string, options: ReportOptions): Promise<Summary> {
  const { run, summary, items, verdicts, suites, histories } = await readFinishedRun(directory);
  const store = openStore(directory, run);
  try {
    const margins = summary.refusalTokens ? store.margins().records() : [];
    const records = { items, verdicts, margins };
    const input = { name: runName(run), summary, ...records, facts: factsOf(run), suites, histories };
    await reportRun(store, input, options);
    await store.finish();
  } finally {
    store.close();
  }
  return summary;
}

/** What is made from a run's records after it has finished: reports, gates and people's labels come and go. */
const madeLater =
  /^(report\.(md|html)|junit\.xml|figures\/.*|gate\/.*|human\.jsonl|adjudicat(ion|ed)\.json): |: added$/;

/** A finished run's records are as it left them. @throws AuditError `store`. */
export async function refuseChanged(directory: string): Promise<void> {
  if (!existsSync(join(directory, 'done.json'))) {
    throw new AuditError('store', `${directory}: not a finished run`, {
      hint: 'run the command that began it again (it resumes), or give another folder',
    });
  }
  const problems = (await verifyRun(directory)).filter((line) => !madeLater.test(line));
  if (problems.length === 0) return;
  throw new AuditError('store', `${directory}: its records are not those that the run wrote`, {
    problems,
    hint: 'restore them from a copy, or run it again with --fresh',
  });
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
    ...(run.judgings && {
      'Judged later': Object.fromEntries(run.judgings.map(({ name, at }) => [name, at])),
    }),
  };
}
