import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AuditError } from '../errors.ts';
import { packageRoot } from '../files.ts';
import type { MarginRecord } from '../harm-record.ts';
import type { RowsOf } from '../outcomes.ts';
import type { Summary } from '../record.ts';
import { readAnswerColumns, readAnswers, readWrongAnswers } from './answers.ts';
import { judgeClaims } from './claims.ts';
import { comparePublished } from './errata.ts';
import { readLabels } from './labels.ts';
import type { Watch } from './lines.ts';
import { readPublished } from './published.ts';
import { type Recorded, RecordedOutcomes, summariseRecorded } from './recorded.ts';
import { readRunFolder } from './run-folder.ts';

/** Recorded outcomes → summary, without any model. */

export interface ReplayResult {
  readonly name: string;
  readonly summary: Summary;
  /** The files that were read. */
  readonly files: readonly string[];
  /** The outcomes one by one, for figures. */
  readonly rowsOf: RowsOf;
  readonly margins: readonly MarginRecord[];
}

/**
 * Analyses recorded outcomes: a folder of released labels and answers, the paper's own numbers (`paper`), or a run folder.
 * With printed figures (`published`, or published.json of a folder that is no run) they are compared, too.
 * @throws AuditError `data` or `store` with the lines that are wrong.
 */
export async function replay(
  source: string,
  published: string | null,
  watch: Watch = {},
): Promise<ReplayResult> {
  const directory = source === 'paper' ? join(packageRoot, 'data/paper') : resolve(source);
  const recorded = await readRecorded(directory, watch);
  const own = join(directory, 'published.json');
  const figures = published ?? (existsSync(own) ? own : null);
  const computed = summariseRecorded(recorded);
  const isRun = existsSync(join(directory, 'run.json'));
  // A run's own summary is what its records give, to the byte: nothing is added to it.
  const added = isRun ? [] : copyrightCaveat(computed);
  const summary = { ...computed, caveats: [...added, ...computed.caveats] };
  const printed = figures === null ? null : readPublished(figures);
  const files = [...recorded.files, ...(figures === null ? [] : [figures])];
  const outcomes = { rowsOf: recorded.table.rowsOf, margins: recorded.setting.margins ?? [] };
  if (printed === null) {
    const claims = isRun ? {} : { claims: judgeClaims(summary) };
    return { name: recorded.name, summary: { ...summary, ...claims }, files, ...outcomes };
  }
  const comparison = comparePublished(printed, summary);
  const missing = comparison.missing.map(
    (where) => `Printed but not among the outcomes, so not compared: ${where}.`,
  );
  return {
    name: recorded.name,
    files,
    ...outcomes,
    summary: {
      ...summary,
      caveats: [...missing, ...summary.caveats],
      errata: [...comparison.errata],
      claims: judgeClaims(summary, { figures: printed, comparison }),
    },
  };
}

/** How much of what is called unsafe is copyright, which an attack success rate over all rows hides. */
function copyrightCaveat({ arms }: Summary): string[] {
  const shares = Object.entries(arms).flatMap(([arm, { harm }]) =>
    harm && harm.headline.excluded > 0
      ? [`${arm} ${harm.all.unsafe - harm.headline.unsafe} of ${harm.all.unsafe}`]
      : [],
  );
  return shares.length === 0
    ? []
    : [
        `HarmBench does not score copyright behaviours with a judge, so the headline leaves them out; of the unsafe labels they are: ${shares.join(', ')}.`,
      ];
}

/** Files by the parts they play: as somebody released them, and as this package keeps the paper's. */
const layouts = {
  labels: ['harmbench_labels.csv', 'harmbench-labels.csv'],
  answers: 'drift_results.jsonl',
  columns: 'drift.jsonl',
  questions: /^triviaqa.*\.jsonl$/,
} as const;

async function readRecorded(directory: string, watch: Watch): Promise<Recorded> {
  const names = listFolder(directory);
  const path = (name: string) => join(directory, name);
  if (names.includes('run.json')) return readRunFolder(directory, watch);
  const outcomes = new RecordedOutcomes();
  const files: string[] = [];
  const labels = layouts.labels.find((name) => names.includes(name));
  if (labels) {
    files.push(path(labels));
    await readLabels(path(labels), outcomes, watch);
  }
  if (names.includes(layouts.answers)) {
    const questions = names.filter((name) => layouts.questions.test(name));
    if (questions.length !== 1) {
      throw new AuditError('data', `${directory}: ${layouts.answers} needs its questions`, {
        hint: 'put one triviaqa*.jsonl with id and wrong_answer beside it',
      });
    }
    files.push(path(questions[0]!), path(layouts.answers));
    const wrong = await readWrongAnswers(path(questions[0]!), watch);
    await readAnswers(path(layouts.answers), wrong, outcomes, watch);
  } else if (names.includes(layouts.columns)) {
    files.push(path(layouts.columns));
    await readAnswerColumns(path(layouts.columns), outcomes, watch);
  }
  if (files.length > 0) return outcomes.finish(basename(directory), files);
  throw new AuditError('data', `${directory}: holds no outcomes that can be replayed`, {
    hint: 'expected a run folder, or harmbench_labels.csv, or drift_results.jsonl with triviaqa*.jsonl; `replay paper` needs no folder',
  });
}

function listFolder(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AuditError(
      'data',
      `${directory}: ${code === 'ENOTDIR' ? 'is not a folder' : 'no such folder'}`,
      {
        hint: 'give a folder of outcomes, or `paper` for the paper’s own',
      },
    );
  }
}
