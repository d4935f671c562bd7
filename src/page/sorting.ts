/** How a table is sorted; null elsewhere stands for the order it was written in. */
export interface Order {
  readonly column: number;
  readonly descending: boolean;
}

/** What a press on a heading asks for: numbers from the largest, text from A; then the other way; then as written. */
export function nextOrder(order: Order | null, column: number, numeric: boolean): Order | null {
  if (order?.column !== column) return { column, descending: numeric };
  return order.descending === numeric ? { column, descending: !numeric } : null;
}

/** Orders two rows by one column; what holds no value comes last either way. */
export function compareCells(
  a: HTMLTableRowElement,
  b: HTMLTableRowElement,
  { column, descending }: Order,
): number {
  const [first, second] = [textOf(a, column), textOf(b, column)];
  if (isAbsent(first) || isAbsent(second)) return Number(isAbsent(first)) - Number(isAbsent(second));
  const [one, other] = [numberIn(first), numberIn(second)];
  const rising = one !== null && other !== null ? one - other : first.localeCompare(second, 'en');
  return descending ? -rising : rising;
}

function textOf(row: HTMLTableRowElement, column: number): string {
  return row.cells[column]?.textContent.trim() ?? '';
}

function isAbsent(text: string): boolean {
  return text === '' || text === '–';
}

/** The number that a cell begins with, as src/format.ts writes numbers; null where it begins with none. */
export function numberIn(text: string): number | null {
  const match = /^(< )?([+\-−]?)([\d,]+(?:\.\d+)?)/.exec(text);
  if (!match) return null;
  const value = Number(match[3]!.replaceAll(',', ''));
  // "< 0.001" lies below every number that is printed.
  return match[1] ? value / 2 : /[-−]/.test(match[2]!) ? -value : value;
}
