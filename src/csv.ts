/** Cells and lines of CSV files that a spreadsheet can open without running anything. */

/** A quoted cell; one that a spreadsheet would run as a formula is made text by a leading apostrophe. */
export const quotedCell = (text: string) =>
  `"${text.replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;

/** Lines of a file whose first row names the columns; numbers stand as they are, null is an empty cell. */
export function csvText(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (value: string | number | null | undefined) =>
    typeof value === 'string'
      ? quotedCell(value)
      : value === null || value === undefined
        ? ''
        : String(value);
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(','));
  return `${[columns.join(','), ...lines].join('\r\n')}\r\n`;
}
