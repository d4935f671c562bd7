import { statSync } from 'node:fs';
import { join } from 'node:path';
import { documentToHtml } from '../html.ts';
import { buildDocument } from '../report/document.ts';
import { drawFigures } from '../report.ts';
import { readReportInput } from '../run-report.ts';
import { linksToHtml, runLinks, scriptAddress } from './page.ts';

/** The report of a finished run as a page, its items apart. */
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
    const key = `${directory}\u0000${changedMs(directory, 'done.json')}\u0000${changedMs(directory, 'adjudicated.json')}`;
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
  const input = await readReportInput(directory);
  const document = buildDocument(input, { showCompletions: false });
  const html = documentToHtml(document, await drawFigures(input), {
    script: scriptAddress,
    navigation: linksToHtml(runLinks(id)),
  });
  const items = document.items();
  const chunks = (items?.chunks ?? []).map((chunk, at): [string, string] => [`items-${at}`, chunk]);
  return { html, parts: new Map(items ? [['items-index', items.index], ...chunks] : []) };
}

const changedMs = (directory: string, name: string) =>
  statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
