import { resolve } from 'node:path';
import { outcomeOf } from '../commands.ts';
import { refuseOutput, writeOutput } from '../documents/output.ts';
import { resultColumns, resultRows } from '../documents/result-rows.ts';
import { encodeTable } from '../documents/typed-table.ts';
import { AuditError, exitCode, firstProblems } from '../errors.ts';
import { junitCases, writeJunit } from '../junit.ts';
import type { ReportInput } from '../report.ts';
import { readAnyReportInput, rewriteReport } from '../run-report.ts';
import { type Context, collectEarly, type Outcome } from './verb.ts';

export type ReportFormat = 'md' | 'html' | 'json' | 'csv' | 'parquet' | 'junit';

export interface ReportFlags {
  readonly showCompletions?: boolean;
  readonly format?: ReportFormat;
  readonly out?: string;
  readonly json?: boolean;
}

/**
 * Writes the report of a finished run anew and gives its summary; or, with `format`, one document made from its records.
 * Of an unfinished or damaged run the document holds what there is, says so where its format can, and the verb exits 1.
 */
export async function report(directory: string, flags: ReportFlags, context: Context): Promise<Outcome> {
  collectEarly();
  const options = { showCompletions: flags.showCompletions ?? false };
  if (flags.format === undefined) {
    if (flags.out !== undefined) {
      throw new AuditError('config', '--out needs --format', {
        hint: 'the whole report goes into the run folder; --format md|html|json|csv|parquet|junit gives one document',
      });
    }
    return outcomeOf(await rewriteReport(directory, options), resolve(directory), exitCode.pass);
  }
  const output = { path: flags.out === undefined ? null : resolve(flags.out), ...context };
  const asJson = flags.format === 'json' && flags.out === undefined;
  refuseOutput(output, flags.format === 'parquet', flags.json === true && !asJson);
  const { input, wrong } = await readAnyReportInput(directory);
  const outcome: Outcome = {
    ...{ document: summaryOf(input), text: '', exitCode: wrong ? exitCode.runtime : exitCode.pass },
    ...(wrong && { notice: noticeOf(wrong) }),
  };
  if (asJson && flags.json) return outcome;
  await writeOutput(await encodeReport(input, flags.format, options), output);
  return { ...outcome, text: flags.out === undefined ? '' : `wrote ${flags.out}\n` };
}

/** The summary, with what is wrong with its run among the caveats. */
const summaryOf = ({ summary, notices = [] }: ReportInput) => ({
  ...summary,
  caveats: [...notices, ...summary.caveats],
});

const noticeOf = ({ message, problems, hint }: AuditError) =>
  [
    `${message}; the document holds what there is`,
    ...firstProblems(problems).map((problem) => `  ${problem}`),
    ...(hint ? [`hint: ${hint}`] : []),
  ].join('\n');

async function encodeReport(
  input: ReportInput,
  format: ReportFormat,
  options: { showCompletions: boolean },
): Promise<Iterable<Uint8Array>> {
  switch (format) {
    case 'csv':
    case 'parquet':
      return encodeTable(resultColumns, resultRows(input.summary), format);
    case 'json':
      return [Buffer.from(`${JSON.stringify(summaryOf(input), null, 2)}\n`)];
    case 'junit':
      return [Buffer.from(writeJunit(junitCases(input.summary), input.notices))];
    case 'md':
      return [Buffer.from((await import('../report.ts')).renderComment(input))];
    case 'html': {
      const { drawFigures, renderHtml } = await import('../report.ts');
      return [Buffer.from(renderHtml(input, await drawFigures(input), options))];
    }
    default:
      throw new Error(`internal: no report format ${format satisfies never}`);
  }
}
