import { count } from '../format.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import type { Cell, Column, ItemCount, Table } from '../report/document.ts';
import { armOrText, armToHtml, chip, type Page } from './marks.ts';

/** A table with its caption; without script it is read as it stands. */
export function tableToHtml({ caption, columns, rows, headers }: Table, page: Page, id: string): string {
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
  if ('counts' in cell) return cell.counts.map(countToHtml).join(' / ');
  return `<code>${escapeHtml(cell.code)}</code>`;
}

/** The page's script makes a button of it that lists the items. */
function countToHtml({ count: n, items }: ItemCount): string {
  if (!n || !items) return count(n);
  // Names must come through as they are: what escaping would make visible is written as JSON's own escapes.
  const json = JSON.stringify(items).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `<span data-items="${escapeHtml(json)}">${count(n)}</span>`;
}
