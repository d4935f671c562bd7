import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ItemJoin, itemColumns, joinItems } from '../documents/item-rows.ts';
import { refuseOutput, writeOutput } from '../documents/output.ts';
import { readRecords } from '../documents/run-lines.ts';
import { encodeTable, type TableFormat } from '../documents/typed-table.ts';
import { AuditError, exitCode } from '../errors.ts';
import { plural } from '../format.ts';
import {
  itemRecord,
  runDocument,
  type Summary,
  summary,
  type VerdictRecord,
  verdictRecord,
} from '../record.ts';
import { type AnswerPlace, redactionOf, verdictsByAnswer } from '../report/redaction.ts';
import { refuseChanged } from '../run-report.ts';
import { settingDocument } from '../setting.ts';
import { readDocument } from '../store.ts';
import type { Context, Outcome } from './verb.ts';

export interface ExportFlags {
  readonly format: TableFormat;
  readonly out?: string;
  readonly showCompletions?: boolean;
  readonly json?: boolean;
}

/**
 * Writes every answer of a run with its verdicts, a row each, in the order they were given, redacted as in a report.
 * Of an unfinished run it writes what there is, of a damaged one the whole lines; it says so, and exits 1.
 */
export async function exportRun(directory: string, flags: ExportFlags, context: Context): Promise<Outcome> {
  const output = { path: flags.out === undefined ? null : resolve(flags.out), ...context };
  refuseOutput(output, flags.format === 'parquet', flags.json ?? false);
  const { finished, results, suites } = readFrame(directory);
  const problems = finished ? await problemsOf(directory) : [];
  const judgesOf = new Map<string, Pick<Summary['judges'][number], 'name' | 'fingerprint'>[]>();
  for (const judge of results?.judges ?? []) addJudge(judgesOf, judge.suite, judge);
  const verdicts = readVerdicts(directory, problems, context);
  const verdictsOf = verdictsByAnswer(verdicts);
  if (!results)
    for (const { suite, judge, judgeFingerprint } of verdicts)
      addJudge(judgesOf, suite, { name: judge, fingerprint: judgeFingerprint });
  const judges = finished ? (judgesOf.get('harm') ?? []).map(({ name }) => name) : null;
  const items = flags.showCompletions ? [] : readPlaces(directory, context);
  const redaction = redactionOf(
    { items, verdictsOf, judges },
    { showCompletions: flags.showCompletions ?? false },
  );
  const toRow = joinItems({ suites, judgesOf, verdictsOf, redaction } satisfies ItemJoin);
  let rows = 0;
  const each = function* () {
    for (const item of readRecords(
      join(directory, 'items.jsonl'),
      itemRecord,
      problems,
      context.onProgress,
    )) {
      rows += 1;
      yield toRow(item);
    }
  };
  await writeOutput(encodeTable(itemColumns, each(), flags.format), output);
  const notice = noticeOf(directory, finished, rows, problems);
  return {
    document: {
      schema: 'aftertune/export@1',
      ...{ run: resolve(directory), out: output.path, format: flags.format, rows, finished, problems },
      columns: itemColumns,
    },
    text: flags.out === undefined ? '' : `wrote ${plural(rows, 'row')} to ${flags.out}\n`,
    exitCode: problems.length > 0 || !finished ? exitCode.runtime : exitCode.pass,
    ...(notice !== '' && { notice }),
  };
}

/** What a run folder says of itself. @throws AuditError `store` when it is none, or of another version. */
function readFrame(directory: string) {
  const path = (name: string) => join(directory, name);
  if (!existsSync(path('run.json'))) {
    throw new AuditError('store', `${directory}: not a run folder (no run.json)`, {
      hint: 'give the folder that `run --out` wrote',
    });
  }
  readDocument(path('run.json'), runDocument);
  return {
    finished: existsSync(path('done.json')),
    results: existsSync(path('summary.json')) ? readDocument(path('summary.json'), summary) : null,
    suites: existsSync(path('setting.json'))
      ? readDocument(path('setting.json'), settingDocument).suites
      : [],
  };
}

/** What of a finished run is not as it was left. */
async function problemsOf(directory: string): Promise<string[]> {
  try {
    await refuseChanged(directory);
    return [];
  } catch (error) {
    if (error instanceof AuditError && error.code === 'store') return [...error.problems];
    throw error;
  }
}

/** All verdicts without what no row holds: a million of them fit into memory. */
function readVerdicts(directory: string, problems: string[], { onProgress }: Context): VerdictRecord[] {
  const known = new Map<string, string>();
  const once = (text: string) => known.get(text) ?? known.set(text, text).get(text)!;
  const slim = (verdict: VerdictRecord): VerdictRecord => ({
    ...verdict,
    ...{ batchKey: '', arm: once(verdict.arm), id: once(verdict.id), condition: once(verdict.condition) },
    ...{ judge: once(verdict.judge), judgeFingerprint: once(verdict.judgeFingerprint) },
  });
  const path = join(directory, 'verdicts.jsonl');
  return Array.from(readRecords(path, verdictRecord, problems, onProgress), slim);
}

const placeRecord = itemRecord.pick({ suite: true, arm: true, id: true, condition: true, repeat: true });

/** Where there are answers: which prompts are flagged has to be known before the first row. Damage is told of when rows are read. */
const readPlaces = (directory: string, { onProgress }: Context): Iterable<AnswerPlace> =>
  readRecords(join(directory, 'items.jsonl'), placeRecord, [], onProgress);

function addJudge<T extends { name: string; fingerprint: string }>(
  judgesOf: Map<string, T[]>,
  suite: string,
  judge: T,
): void {
  const judges = judgesOf.get(suite) ?? [];
  if (judges.some(({ name, fingerprint }) => name === judge.name && fingerprint === judge.fingerprint))
    return;
  judgesOf.set(suite, [...judges, judge]);
}

const problemsShown = 20;

function noticeOf(directory: string, finished: boolean, rows: number, problems: readonly string[]): string {
  return [
    ...(finished ? [] : [`${directory}: this run is not finished; what there is: ${plural(rows, 'answer')}`]),
    ...(finished && rows === 0 ? [`${directory}: holds no answers`] : []),
    ...(problems.length === 0
      ? []
      : [
          `${directory}: damaged; its whole lines were written, verdicts that are lost count as missing`,
          ...problems.slice(0, problemsShown).map((problem) => `  ${problem}`),
          ...(problems.length > problemsShown ? [`  … and ${problems.length - problemsShown} more`] : []),
          'hint: restore the records from a copy, or run it again with --fresh',
        ]),
  ].join('\n');
}
