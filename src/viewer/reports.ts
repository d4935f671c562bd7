import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { documentToHtml } from '../html.ts';
import { buildDocument } from '../report/document.ts';
import { drawFigures } from '../report.ts';
import { readAnyReportInput } from '../run-report.ts';
import { linksToHtml, runLinks, scriptAddress } from './page.ts';

/** The report of a run as a page, its items apart; of a run that is unfinished or damaged, of what there is, with what is wrong at its top. */
export interface ServedReport {
  readonly html: string;
  /** `items-index`, `items-0`, …: packed as a report's file holds them. */
  readonly parts: ReadonlyMap<string, string>;
}

const reportsKept = 4;

/** Reports by run folder, made when they are first asked for and anew when the run or its labels change. */
export function createReports(): (directory: string, id: string) => Promise<ServedReport> {
  const made = new Map<string, Promise<ServedReport>>();
  return (directory, id) => {
    const key = [directory, ...madeOf.map((name) => stateOf(join(directory, name)))].join('\u0000');
    const report = made.get(key) ?? makeReport(directory, id);
    made.delete(key);
    made.set(key, report);
    for (const oldest of made.keys()) {
      if (made.size <= reportsKept) break;
      made.delete(oldest);
    }
    // A failure is told each time, not kept: the folder may be mended.
    report.catch(() => made.delete(key));
    return report;
  };
}

async function makeReport(directory: string, id: string): Promise<ServedReport> {
  const { input } = await readAnyReportInput(directory);
  const finished = existsSync(join(directory, 'done.json'));
  const document = buildDocument(input, { showCompletions: false });
  const html = documentToHtml(document, await drawFigures(input), {
    script: scriptAddress,
    navigation: linksToHtml(runLinks(id, finished)),
  });
  const items = document.items();
  const chunks = (items?.chunks ?? []).map((chunk, at): [string, string] => [`items-${at}`, chunk]);
  return { html, parts: new Map(items ? [['items-index', items.index], ...chunks] : []) };
}

/** What a report is made of: whoever changes one of these has another report. */
const madeOf = [
  ...['run.json', 'setting.json', 'items.jsonl', 'verdicts.jsonl', 'margins.jsonl'],
  ...['summary.json', 'done.json', 'adjudicated.json', 'human.jsonl'],
];

function stateOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : '';
}
