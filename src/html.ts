import { nameOf } from './figures/figure.ts';
import { armStyles, darkColours, escapeXml as escapeHtml } from './plot.ts';
import type { Verdict } from './record.ts';
import type {
  Block,
  Cell,
  Column,
  Document,
  FigureReference,
  Finding,
  Lead,
  Section,
  Table,
} from './report/document.ts';
import { styleSheet } from './report/html-style.ts';
import type { SampleAnswer, SampleItem } from './report/samples.ts';

/** What every part of a page needs to know of the whole. */
interface Page {
  readonly marks: ReadonlyMap<string, string>;
  readonly figures: Readonly<Record<string, string>>;
}

/** Nothing may be fetched and nothing may run: the file is text, styles and inline figures. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** Renders a report as one self-contained HTML file; `figures` are SVG by file name. */
export function documentToHtml(document: Document, figures: Readonly<Record<string, string>>): string {
  const styles = armStyles(document.arms, document.baseArm);
  const page: Page = {
    figures,
    marks: new Map(document.arms.map((arm, place) => [arm, armMark(styles[place]!)])),
  };
  const title = escapeHtml(document.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}">
<title>${title} – aftertune report</title>
<style>
${styleSheet}${darkColours('.mark')}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<nav aria-label="Sections"><p class="brand">aftertune</p><ol>
${document.sections.map(({ id, title: heading }) => `<li><a href="#${id}">${escapeHtml(heading)}</a></li>`).join('\n')}
</ol></nav>
<main id="main">
<header>
<p class="kicker">Report of a run</p>
<h1 dir="auto">${title}</h1>
</header>
${leadToHtml(document.lead, page)}
${document.sections.map((section) => sectionToHtml(section, page)).join('\n')}
</main>
</body>
</html>
`;
}

function leadToHtml({ verdict, sentence, alarms, exitCode, findings }: Lead, page: Page): string {
  const cards = findings.map((finding) => findingToHtml(finding, page));
  return `<section class="lead lead-${verdict.toLowerCase()}" aria-label="Verdict">
<p class="verdict">${chip(verdict)}<span class="exit">exit code ${exitCode}</span></p>
<p class="sentence">${escapeHtml(sentence)}</p>
${alarms.map((alarm) => `<p class="alarm"><strong>Warning:</strong> ${escapeHtml(alarm)}</p>\n`).join('')}${cards.length > 0 ? `<ul class="cards">\n${cards.join('\n')}\n</ul>` : ''}
</section>`;
}

function findingToHtml({ arm, verdict, sentence, measures }: Finding, page: Page): string {
  const state = verdict ? chip(verdict) : '<span class="chip chip-none">not gated</span>';
  const rows = measures.map(
    ({ name, path, difference }) =>
      `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(path)}</dd><dd class="number">${escapeHtml(difference)}</dd></div>`,
  );
  return `<li>
<p class="card-head">${armToHtml(arm, page)}${state}</p>
${sentence === null ? '' : `<p>${escapeHtml(sentence)}</p>`}
${rows.length > 0 ? `<dl>\n${rows.join('\n')}\n</dl>` : ''}
</li>`;
}

function sectionToHtml({ id, title, blocks }: Section, page: Page): string {
  const heading = `<h2 id="${id}">${escapeHtml(title)}</h2>`;
  return `<section class="section-${id}" aria-labelledby="${id}">\n${heading}\n${blocks.map((block, place) => blockToHtml(block, page, `${id}-${place}`)).join('\n')}\n</section>`;
}

function blockToHtml(block: Block, page: Page, id: string): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'list':
      return `<ul class="prose">\n${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('\n')}\n</ul>`;
    case 'table':
      return tableToHtml(block, page, id);
    case 'figure':
      return figureToHtml(block, page);
    case 'samples':
      return block.groups
        .map(
          ({ title, items }) =>
            `<details open><summary>${escapeHtml(title)} <span class="count">${items.length}</span></summary>\n${items.map((item) => sampleToHtml(item, page)).join('\n')}\n</details>`,
        )
        .join('\n');
    default:
      throw new Error(`internal: no HTML for ${(block satisfies never as Block).kind}`);
  }
}

function figureToHtml(figure: FigureReference, { figures }: Page): string {
  const { file, caption, alternative, csv, specification } = figure;
  const drawing = figures[file] ?? `<p>${escapeHtml(alternative)}</p>`;
  const name = nameOf(figure);
  // In the file itself, so that they are there wherever it is opened.
  const link = (type: string, extension: string, text: string) =>
    `<a download="${name}.${extension}" href="data:${type};charset=utf-8;base64,${Buffer.from(text).toString('base64')}">${name}.${extension}</a>`;
  const sources = `Data: ${link('text/csv', 'csv', csv)} · specification: ${link('application/json', 'vl.json', specification)}`;
  return `<figure>\n<div class="scroll" tabindex="0" role="group" aria-label="${escapeHtml(file)}">${drawing.trimEnd()}</div>\n<figcaption>${escapeHtml(caption)} <span class="sources">${sources}</span></figcaption>\n</figure>`;
}

function tableToHtml({ caption, columns, rows, headers }: Table, page: Page, id: string): string {
  const body = rows.map((row, place) =>
    rowToHtml(row, rows.slice(place), rows[place - 1], columns, headers, page),
  );
  return `<figure class="table">
<figcaption id="${id}">${escapeHtml(caption)}</figcaption>
<div class="scroll" tabindex="0" role="group" aria-labelledby="${id}"><table aria-labelledby="${id}">
<thead>
${headToHtml(columns, page)}
</thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>
</figure>`;
}

function headToHtml(columns: readonly Column[], page: Page): string {
  const cell = (column: Column, attributes: string, starts = false) =>
    `<th scope="col"${attributes}${classes(column, starts)}>${escapeHtml(column.title)}</th>`;
  if (columns.every(({ group }) => group === undefined))
    return `<tr>${columns.map((column) => cell(column, '')).join('')}</tr>`;
  const top = columns.flatMap((column, place) => {
    if (column.group === undefined) return [cell(column, ' rowspan="2"')];
    if (columns[place - 1]?.group === column.group) return [];
    const end = columns.findIndex(({ group }, after) => after > place && group !== column.group);
    const span = (end < 0 ? columns.length : end) - place;
    return [
      `<th scope="colgroup" colspan="${span}" class="group starts-group">${armOrText(column.group, page)}</th>`,
    ];
  });
  const below = columns.flatMap((column, place) =>
    column.group === undefined ? [] : [cell(column, '', startsGroup(columns, place))],
  );
  return `<tr>${top.join('')}</tr>\n<tr>${below.join('')}</tr>`;
}

function startsGroup(columns: readonly Column[], place: number): boolean {
  const group = columns[place]?.group;
  return group !== undefined && columns[place - 1]?.group !== group;
}

function classes(column: Column | undefined, starts: boolean): string {
  const names = [column?.numeric ? 'number' : '', starts ? 'starts-group' : ''].filter((name) => name !== '');
  return names.length > 0 ? ` class="${names.join(' ')}"` : '';
}

type Row = readonly Cell[];

/** With two naming columns the first one spans the rows that share it. */
function rowToHtml(
  row: Row,
  from: readonly Row[],
  before: Row | undefined,
  columns: readonly Column[],
  headers: number,
  page: Page,
): string {
  const merged = headers > 1;
  const starts = merged && before?.[0] !== row[0];
  const cells = row.map((cell, place) => {
    const content = cellToHtml(cell, page);
    if (place >= headers) return `<td${classes(columns[place], startsGroup(columns, place))}>${content}</td>`;
    if (!merged || place > 0) return `<th scope="row">${content}</th>`;
    if (!starts) return '';
    const end = from.findIndex((other) => other[0] !== cell);
    return `<th scope="rowgroup" rowspan="${end < 0 ? from.length : end}">${content}</th>`;
  });
  return `<tr${starts ? ' class="starts"' : ''}>${cells.join('')}</tr>`;
}

function cellToHtml(cell: Cell, page: Page): string {
  if (typeof cell === 'string') return escapeHtml(cell);
  if ('verdict' in cell) return chip(cell.verdict);
  if ('arm' in cell) return armToHtml(cell.arm, page);
  return `<code>${escapeHtml(cell.code)}</code>`;
}

const chipSigns: Record<Verdict, string> = { PASS: '✓', FAIL: '✕', INCONCLUSIVE: '?' };

function chip(verdict: Verdict): string {
  return `<span class="chip chip-${verdict.toLowerCase()}"><span aria-hidden="true">${chipSigns[verdict]}</span> ${verdict}</span>`;
}

function armToHtml(arm: string, { marks }: Page): string {
  return `<span class="arm">${marks.get(arm) ?? ''}<bdi>${escapeHtml(arm)}</bdi></span>`;
}

function armOrText(text: string, page: Page): string {
  return page.marks.has(text) ? armToHtml(text, page) : escapeHtml(text);
}

const markPaths: Record<string, string> = {
  circle: '<circle cx="6" cy="6" r="4.6"/>',
  square: '<path d="M1.8 1.8h8.4v8.4H1.8z"/>',
  'triangle-up': '<path d="M6 1 11.2 10.4H.8z"/>',
  diamond: '<path d="M6 .4 10.4 6 6 11.6 1.6 6z"/>',
  'triangle-down': '<path d="M6 11 .8 1.6h10.4z"/>',
  cross: '<path d="M4.3 1h3.4v3.3H11v3.4H7.7V11H4.3V7.7H1V4.3h3.3z"/>',
};

/** The mark that stands for the arm in the figures. */
function armMark({ colour, shape }: { colour: string; shape: string }): string {
  return `<svg class="mark" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" fill="${colour}">${markPaths[shape] ?? ''}</svg>`;
}

function sampleToHtml({ title, prompt, note, answers }: SampleItem, page: Page): string {
  const asked = prompt === null ? '' : `<blockquote dir="auto">${escapeHtml(prompt)}</blockquote>`;
  const noted = note === null ? '' : `<p class="note" dir="auto">${escapeHtml(note)}</p>`;
  return `<article class="sample">
<h3><bdi>${escapeHtml(title)}</bdi></h3>
${asked}${noted}
<div class="answers">
${answers.map((answer) => answerToHtml(answer, page)).join('\n')}
</div>
</article>`;
}

function answerToHtml({ arm, completion, labels, note }: SampleAnswer, page: Page): string {
  const text =
    completion === null
      ? '<p class="redacted">redacted</p>'
      : completion === ''
        ? '<p class="redacted">empty answer</p>'
        : `<pre dir="auto">${escapeHtml(completion)}</pre>`;
  const marks = labels
    .map(({ text: label, tone }) => `<span class="label label-${tone}">${escapeHtml(label)}</span>`)
    .join(' ');
  return `<div class="answer"><p class="card-head">${armToHtml(arm, page)}</p>\n${text}\n<p class="labels">${marks}</p>\n<p class="note">${escapeHtml(note)}</p></div>`;
}
