import { join } from 'node:path';
import { nameOf, sourceFiles } from './figures/figure.ts';
import { describeFigures } from './figures/figures.ts';
import { writeFileAtomic } from './files.ts';
import type { MarginRecord } from './harm-record.ts';
import { documentToHtml } from './html.ts';
import type { AdjudicatedDocument, HumanRecord } from './human-record.ts';
import type { RowsOf } from './outcomes.ts';
import { drawSvg } from './plot.ts';
import type { ItemRecord, Summary, VerdictRecord } from './record.ts';
import { documentToComment } from './report/comment.ts';
import { buildDocument } from './report/document.ts';
import { documentToMarkdown } from './report/markdown.ts';
import type { RecordedSuite } from './suite.ts';
import type { TrainingStep } from './trainer.ts';

/** Everything a report is made of; it shows nothing else, so two reports of one input are byte-identical. */
export interface ReportInput {
  /** The run's name, for the title. */
  readonly name: string;
  readonly summary: Summary;
  /** Empty for replayed outcomes without completions: then the sample items are left out. */
  readonly items: Iterable<ItemRecord>;
  readonly verdicts: Iterable<VerdictRecord>;
  /** The prompts; empty when they are not known. */
  readonly suites: readonly RecordedSuite[];
  /** Refusal margins by prompt; left out where they were not measured. */
  readonly margins?: readonly MarginRecord[];
  /** The outcomes where they are joined already, as in a replay; otherwise figures join items and verdicts. */
  readonly rowsOf?: RowsOf;
  /** Training steps by arm; arms that were not trained are absent. */
  readonly histories: Readonly<Record<string, readonly TrainingStep[]>>;
  /** What was compared, by topic: `{ Model: { path: 'models/wren', 'SHA-256': '…' }, Seeds: { run: 1 } }`. Printed as given. */
  readonly facts: Readonly<Record<string, Readonly<Record<string, string | number | boolean | null>>>>;
  /** What people's labels come to, and which of the records it was computed from have changed since; absent without labels. */
  readonly adjudicated?: {
    readonly document: AdjudicatedDocument;
    readonly changed: readonly string[];
    /** Every person's label of every completion. */
    readonly labels: readonly HumanRecord[];
  };
  /** What is wrong with the run: unfinished, damaged, of another version. Left out for a whole one. */
  readonly notices?: readonly string[];
}

export interface ReportOptions {
  /** Prints harm-suite completions that not all judges call safe; by default they are redacted. */
  readonly showCompletions: boolean;
}

/** The report as GitHub-flavoured Markdown; figures are linked under `figures/`. It holds no completions. */
export function renderMarkdown(input: ReportInput): string {
  return documentToMarkdown(buildDocument(input, { showCompletions: false }));
}

/** The report as a comment of a pull request: under 65,536 characters, without figures and completions. */
export function renderComment(input: ReportInput): string {
  return documentToComment(buildDocument(input, { showCompletions: false }));
}

/** The report as one self-contained HTML file: one script known by its hash, no network; `figures` are inlined. */
export function renderHtml(
  input: ReportInput,
  figures: Readonly<Record<string, string>>,
  options: ReportOptions = { showCompletions: false },
): string {
  return documentToHtml(buildDocument(input, options), figures);
}

/** The report's figures as SVG by file name (`asr.svg`, …); a figure without data is left out. */
export async function drawFigures(input: ReportInput): Promise<Record<string, string>> {
  const drawn: Record<string, string> = {};
  for (const figure of describeFigures(input)) drawn[figure.file] = await drawSvg(figure);
  return drawn;
}

/**
 * Writes report.md, report.html and, for each figure, figures/NAME.svg, .vl.json and .csv into a run folder.
 * @throws AuditError `disk` when there is no room or no permission.
 */
export async function writeReport(
  directory: string,
  input: ReportInput,
  options: ReportOptions,
): Promise<void> {
  const figures = await drawFigures(input);
  for (const figure of describeFigures(input)) {
    const path = join(directory, 'figures', nameOf(figure));
    const { csv, specification } = sourceFiles(figure);
    writeFileAtomic(`${path}.svg`, figures[figure.file]!);
    writeFileAtomic(`${path}.vl.json`, specification);
    writeFileAtomic(`${path}.csv`, csv);
  }
  writeFileAtomic(join(directory, 'report.md'), renderMarkdown(input));
  writeFileAtomic(join(directory, 'report.html'), renderHtml(input, figures, options));
}
