import { join } from 'node:path';
import type { z } from 'zod';
import { AuditError } from './errors.ts';
import { plural } from './format.ts';
import { salvageJournal } from './journal.ts';
import {
  itemRecord,
  type RunDocument,
  runDocument,
  type Summary,
  summary as summarySchema,
  type VerdictRecord,
  verdictRecord,
} from './record.ts';
import type { ReportInput } from './report.ts';
import { factsOf, runName } from './run-facts.ts';
import { settingDocument } from './setting.ts';
import { readDocument } from './store.ts';

const linesNamed = 3;

/** What can be read of a run folder that is no whole run, with what is wrong with it. `why`: what reading it as one says. */
export function salvageRun(directory: string, why: AuditError): ReportInput {
  const problems: string[] = [];
  const read = <T>(name: string, schema: z.ZodType<T>): T | null => {
    try {
      return readDocument(join(directory, name), schema);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      problems.push(`${error.message}${error.problems.length > 0 ? ` (${error.problems[0]})` : ''}`);
      return null;
    }
  };
  const items = salvageJournal(join(directory, 'items.jsonl'), itemRecord);
  const verdicts = salvageJournal(join(directory, 'verdicts.jsonl'), verdictRecord);
  const run = read('run.json', runDocument);
  const setting = read('setting.json', settingDocument);
  const known = read('summary.json', summarySchema);
  const damaged = [...items.problems, ...verdicts.problems];
  const names = armNames(run, items.lines);
  return {
    name: run ? runName(run) : 'audit',
    summary: known ?? emptySummary(names, verdicts.lines),
    items: items.lines,
    verdicts: verdicts.lines,
    suites: setting?.suites ?? [],
    histories: setting?.histories ?? {},
    facts: run ? factsOf(run) : {},
    notices: [
      `This is not the report of a whole run. ${why.message}${why.problems.length > 0 ? `: ${why.problems.join('; ')}` : ''}.`,
      ...(why.hint ? [`What to do: ${why.hint}.`] : []),
      ...(known
        ? ['The numbers are those that the run left in summary.json; the items are those that can be read.']
        : []),
      ...(damaged.length > 0
        ? [
            `Left out: ${plural(damaged.length, 'line')}. ${damaged.slice(0, linesNamed).join('; ')}${damaged.length > linesNamed ? '; …' : ''}`,
          ]
        : []),
      ...problems.filter((problem) => !problem.startsWith(why.message)),
    ],
  };
}

/** Arms as the config names them, else as the answers do. */
function armNames(run: RunDocument | null, items: readonly { readonly arm: string }[]): string[] {
  const { arms } = (run?.config.resolved ?? {}) as { arms?: unknown };
  const named = Array.isArray(arms)
    ? arms.flatMap((arm: { name?: unknown }) => (typeof arm?.name === 'string' ? [arm.name] : []))
    : [];
  return [...new Set([...named, ...items.map(({ arm }) => arm)])];
}

/** A summary that says nothing but who answered and who judged. */
function emptySummary(arms: readonly string[], verdicts: readonly VerdictRecord[]): Summary {
  const judges = new Map(
    verdicts.map(({ suite, judge, judgeFingerprint }) => [
      JSON.stringify([suite, judge, judgeFingerprint]),
      { suite, name: judge, version: '–', fingerprint: judgeFingerprint },
    ]),
  );
  return {
    schema: 'aftertune/summary@1',
    baseArm: arms[0] ?? '',
    arms: Object.fromEntries(arms.map((arm) => [arm, { training: null }])),
    comparisons: {},
    judges: [...judges.values()],
    agreement: null,
    gate: {
      verdict: 'INCONCLUSIVE',
      exitCode: 4,
      strict: false,
      marginsPoints: { harm: 0, overRefusal: 0, accuracy: 0 },
    },
    caveats: [],
  };
}
