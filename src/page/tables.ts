import { keepers, morph } from './morph.ts';
import { compareCells, nextOrder, type Order } from './sorting.ts';

/** Tables with more rows get a search field. */
const largeTable = 8;

/** Makes every table of a document sortable by its headings, and the larger ones searchable. */
export function enhanceTables(within: ParentNode): void {
  for (const table of within.querySelectorAll<HTMLTableElement>('figure.table table')) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2 || enhanced.has(table)) continue;
    enhanced.add(table);
    enhanceTable(table, body);
  }
}

const enhanced = new WeakSet<HTMLTableElement>();

function enhanceTable(table: HTMLTableElement, body: HTMLTableSectionElement): void {
  let original = [...body.rows];
  const unmerge = mergedHeaders(original);
  let order: Order | null = null;
  let words: string[] = [];
  const headings = columnHeadings(table);
  const show = () => {
    const chosen = order;
    const rows = chosen ? [...original].sort((a, b) => compareCells(a, b, chosen)) : original;
    const texts = words.length > 0 ? rows.map((row) => row.textContent.toLowerCase()) : [];
    unmerge(chosen !== null || words.length > 0);
    arrange(
      body,
      rows.filter((_, place) => words.every((word) => texts[place]!.includes(word))),
    );
    headings.forEach((heading, column) => {
      if (column === chosen?.column)
        heading.setAttribute('aria-sort', chosen.descending ? 'descending' : 'ascending');
      else heading.removeAttribute('aria-sort');
    });
  };
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'sort';
    button.append(...heading.childNodes);
    button.addEventListener('click', () => {
      order = nextOrder(order, column, heading.classList.contains('number'));
      show();
    });
    heading.append(button);
  });
  const search = () => {
    if (original.length <= largeTable || table.closest('figure')?.querySelector('.table-search')) return;
    addSearch(table, (text) => {
      words = text.toLowerCase().split(/\s+/).filter(Boolean);
      show();
    });
  };
  search();
  const figure = table.closest('figure');
  // Where the page is kept up to date: other rows, in the order and with the search that were asked for.
  if (figure && original.every(({ id }) => id !== ''))
    keepers.set(figure, (wanted) => {
      const known = new Map(original.map((row) => [row.id, row]));
      original = [...wanted.querySelectorAll<HTMLTableRowElement>('tbody tr')].map((row) => {
        const own = known.get(row.id);
        if (own) morph(own, row);
        return own ?? document.importNode(row, true);
      });
      search();
      show();
    });
}

/** Makes these the rows of a body, moving no row that is in its place: a row that is moved loses the focus. */
function arrange(body: HTMLTableSectionElement, rows: readonly HTMLTableRowElement[]): void {
  const wanted = new Set(rows);
  for (const row of [...body.rows]) if (!wanted.has(row)) row.remove();
  rows.forEach((row, place) => {
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
  });
}

/** The heading of every column, whatever row of the head it stands in. */
function columnHeadings(table: HTMLTableElement): HTMLTableCellElement[] {
  const [top, below] = table.tHead?.rows ?? [];
  const under = [...(below?.cells ?? [])];
  return [...(top?.cells ?? [])].flatMap((cell) =>
    cell.scope === 'colgroup' ? under.splice(0, cell.colSpan) : [cell],
  );
}

/** Headers that span several rows, as one per row while rows are out of their order. */
function mergedHeaders(rows: readonly HTMLTableRowElement[]): (apart: boolean) => void {
  const merged: { readonly header: HTMLTableCellElement; readonly span: number }[] = [];
  const copies: HTMLElement[] = [];
  rows.forEach((row, place) => {
    const header = row.cells[0];
    if (header?.scope !== 'rowgroup') return;
    merged.push({ header, span: header.rowSpan });
    for (const below of rows.slice(place + 1, place + header.rowSpan)) {
      const copy = header.cloneNode(true) as HTMLTableCellElement;
      copy.rowSpan = 1;
      copy.hidden = true;
      below.prepend(copy);
      copies.push(copy);
    }
  });
  return (apart) => {
    for (const copy of copies) copy.hidden = !apart;
    for (const { header, span } of merged) header.rowSpan = apart ? 1 : span;
  };
}

function addSearch(table: HTMLTableElement, changed: (text: string) => void): void {
  const label = document.createElement('label');
  label.className = 'table-search';
  const field = document.createElement('input');
  field.type = 'search';
  field.addEventListener('input', () => changed(field.value));
  label.append('Search this table ', field);
  table.closest('.scroll')?.before(label);
}
