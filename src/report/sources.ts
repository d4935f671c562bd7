import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../files.ts';
import type { Cell, Table } from './document.ts';

/** The chapters of SOURCES.md that say where a report's numbers come from. */
const chapters = ['The experiment', 'Judges', 'Statistics'];

/** SOURCES.md as a table for the page: what was used of whom. Empty where the file is not there. */
export function sourcesTable(): Table[] {
  const path = join(packageRoot, 'SOURCES.md');
  if (!existsSync(path)) return [];
  const rows = readFileSync(path, 'utf8')
    .split(/^## /m)
    .flatMap((chapter) => {
      const title = chapter.split('\n', 1)[0]!.trim();
      return chapters.includes(title) ? tableRows(chapter).map((row): Cell[] => [title, ...row]) : [];
    });
  if (rows.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: 'Where formulas and definitions come from (SOURCES.md has the rest, with licences).',
      headers: 1,
      onlyOnPage: true,
      columns: [{ title: 'For' }, { title: 'Source' }, { title: 'What is used of it' }],
      rows,
    },
  ];
}

/** Source and use of every row of a chapter's tables, as plain text. */
function tableRows(chapter: string): string[][] {
  return chapter.split('\n').flatMap((line) => {
    if (!/^\| /.test(line) || /^\| source \|/.test(line)) return [];
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll(/[*`]/g, ''));
    return cells.length >= 3 ? [[cells[0]!, cells.at(-2)!]] : [];
  });
}
