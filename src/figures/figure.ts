import { csvCell } from '../csv-cell.ts';
import { showInvisible } from '../format.ts';
import { type Chart, standalone } from '../plot.ts';

/** One line of a figure's data: the same columns in every row. */
export type FigureRow = Readonly<Record<string, string | number | null>>;

/** A chart with the caption that stands under it and the numbers that are in it. */
export interface Figure extends Chart {
  /** Says n and what the interval is. */
  readonly caption: string;
  readonly rows: readonly FigureRow[];
}

/** The files beside a figure's SVG, by name: its data, and the specification that draws it in the Vega editor. */
export function sourceFiles(figure: Figure): { readonly csv: string; readonly specification: string } {
  const shown = figure.rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([column, value]) => [
        column,
        typeof value === 'string' ? showInvisible(value) : value,
      ]),
    ),
  );
  return { csv: csvText(shown), specification: `${JSON.stringify(standalone(figure))}\n` };
}

/** `asr.svg` → `asr`. */
export const nameOf = ({ file }: { readonly file: string }) => file.replace(/\.svg$/, '');

/** Lines of a file whose first row names the columns; numbers stand as they are, null is an empty cell. */
function csvText(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (value: string | number | null | undefined) =>
    typeof value === 'string' ? csvCell(value) : value === null || value === undefined ? '' : String(value);
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(','));
  // A judge's name may be part of a column's.
  const head = columns.map((column) => (/^\w+$/.test(column) ? column : csvCell(showInvisible(column))));
  return `${[head.join(','), ...lines].join('\r\n')}\r\n`;
}
