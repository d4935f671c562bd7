import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readLabels } from './adjudication/labels.ts';
import { templateDate } from './conversation.ts';
import { AuditError } from './errors.ts';
import { sha256File } from './hash.ts';
import { adjudicatedDocument } from './human-record.ts';
import { jsonPieces } from './json-pieces.ts';
import { junitCases, writeJunit } from './junit.ts';
import type { Summary } from './record.ts';
import { type ReportInput, type ReportOptions, writeReport } from './report.ts';
import { factsOf, runName } from './run-facts.ts';
import { salvageRun } from './salvage-run.ts';
import { settingDocument } from './setting.ts';
import { openRun, openStore, type RunStore, readDocument, verifyRun } from './store.ts';
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
  store.write('setting.json', lines(setting));
}

function* lines(document: object): Generator<Uint8Array> {
  yield* jsonPieces(document);
  yield Buffer.from('\n');
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
  return { document, changed, labels: [...readLabels(directory).values()].flat() };
}

/**
 * A finished run with what it asked, as it was left.
 * @throws AuditError `store` when it is not finished, was changed since, or is damaged.
 */
export async function readFinishedRun(directory: string) {
  const { finished, summary, ...rest } = openRun(directory);
  if (!summary || !finished) {
    throw new AuditError('store', `${directory}: this run is not finished`, {
      hint: 'run the same command that began it again: it resumes',
    });
  }
  await refuseChanged(directory);
  return { ...rest, summary, ...readDocument(join(directory, 'setting.json'), settingDocument) };
}

/** What the report of a finished run is made of. @throws AuditError `store` as `readFinishedRun`. */
export async function readReportInput(directory: string): Promise<ReportInput> {
  const adjudicated = await readAdjudicated(directory);
  return { ...inputOf(await readFinishedRun(directory)), ...(adjudicated && { adjudicated }) };
}

/**
 * The same of any run, as far as it can be read; `wrong` says what it lacks, null of a whole one.
 * @throws AuditError `store` when the folder holds no run at all.
 */
export async function readAnyReportInput(
  directory: string,
): Promise<{ input: ReportInput; wrong: AuditError | null }> {
  try {
    return { input: await readReportInput(directory), wrong: null };
  } catch (error) {
    return salvage(directory, error);
  }
}

function salvage(directory: string, error: unknown): { input: ReportInput; wrong: AuditError } {
  if (!(error instanceof AuditError) || error.code !== 'store') throw error;
  if (!existsSync(join(directory, 'run.json'))) throw error;
  return { input: salvageRun(directory, error), wrong: error };
}

function inputOf(finished: Awaited<ReturnType<typeof readFinishedRun>>): ReportInput {
  const { run, summary, items, verdicts, margins, suites, histories } = finished;
  return { name: runName(run), summary, items, verdicts, margins, facts: factsOf(run), suites, histories };
}

/**
 * Writes the report of a finished run anew; of a run that is unfinished or damaged, what there is of it.
 * @throws AuditError `store` when the folder holds no whole run; then too its report has been written, if it is a run's at all.
 */
export async function rewriteReport(directory: string, options: ReportOptions): Promise<Summary> {
  const finished = await finishedOrPartial(directory, options);
  const store = openStore(directory, finished.run);
  try {
    await reportRun(store, inputOf(finished), options);
    await store.finish();
  } finally {
    store.close();
  }
  return finished.summary;
}

async function finishedOrPartial(directory: string, options: ReportOptions) {
  try {
    return await readFinishedRun(directory);
  } catch (error) {
    const { input, wrong } = salvage(directory, error);
    await writeReport(directory, input, options);
    const { message, hint, problems } = wrong;
    throw new AuditError('store', message, {
      problems,
      hint: `report.html and report.md there show what there is${hint ? `; ${hint}` : ''}`,
      cause: wrong,
    });
  }
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
