import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';

/** Figures as somebody printed them, in the form of data/paper/published.json. */

/** A printed number with the decimals it was printed with: 0.80 has two. */
export interface Printed {
  readonly value: number;
  readonly decimals: number;
}

/** A tie may be rounded either way, and a sum's last bits are nobody's mistake. */
export const tie = 1e-9;

/** Whether a value, rounded as printed, is the printed number. */
export function gives(value: number, { value: printed, decimals }: Printed): boolean {
  return Math.abs(value - printed) <= 0.5 * 10 ** -decimals + tie;
}

/** As it was printed, with a proper minus sign. */
export function printedText({ value, decimals }: Printed): string {
  return value.toFixed(decimals).replace('-', '−');
}

type ByArm<T> = Readonly<Record<string, T>>;

export interface Published {
  /** By table: printed counts of labels and the rate in percent. */
  readonly asr: ByArm<ByArm<Readonly<Record<string, Printed>>>>;
  /** By table, arm and condition, in percent. */
  readonly accuracy: ByArm<ByArm<ByArm<Printed>>>;
  /** By table, arm and condition: one number per column. */
  readonly uncertainty: ByArm<{
    readonly columns: readonly string[];
    readonly cells: ByArm<ByArm<readonly Printed[]>>;
  }>;
  /** Differences `ARM_vs_ARM_points`. */
  readonly headline: Readonly<Record<string, Printed>>;
}

const asrKey = /^(table\w*?)_asr/i;
const accuracyKey = /^(table\w*?)_accuracy_percent$/i;
const uncertaintyKey = /^(table\w*?)_uncertainty$/i;
const headlineKey = /^headline/i;

/**
 * Reads printed figures: `tableN_asr` {arm: {safe_responses, unsafe_responses, asr_percent_printed}}, `tableN_accuracy_percent`
 * {arm: {condition: percent}}, `tableN_uncertainty` {columns, arm: {condition: [numbers]}} and `headline…` {A_vs_B_points}.
 * Other keys are left alone.
 * @throws AuditError `data` when it is not JSON, or none of these is there, or one has another form.
 */
export function readPublished(path: string): Published {
  const document = parsePrinted(path, readText(path, 'data', 'published figures'));
  const problems: string[] = [];
  const read = <T>(key: RegExp, value: (entry: unknown, at: string) => T): Record<string, T> =>
    Object.fromEntries(
      Object.entries(document).flatMap(([name, entry]) => {
        const found = key.exec(name);
        return found ? [[tableName(found[1] ?? name), value(entry, name)]] : [];
      }),
    );
  const map = <T>(
    entry: unknown,
    at: string,
    value: (entry: unknown, at: string) => T,
  ): Record<string, T> => {
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) {
      problems.push(`${at}: expected an object`);
      return {};
    }
    return Object.fromEntries(
      Object.entries(entry).map(([name, each]) => [name, value(each, `${at}.${name}`)]),
    );
  };
  const number = (entry: unknown, at: string): Printed => {
    if (isPrinted(entry)) return entry;
    problems.push(`${at}: expected a number`);
    return { value: 0, decimals: 0 };
  };
  const list = (entry: unknown, at: string): unknown[] => {
    if (Array.isArray(entry)) return entry;
    problems.push(`${at}: expected a list`);
    return [];
  };
  const table = (entry: unknown, at: string) => map(entry, at, (row, place) => map(row, place, number));
  const published: Published = {
    asr: read(asrKey, table),
    accuracy: read(accuracyKey, table),
    uncertainty: read(uncertaintyKey, (entry, at) => {
      const { columns, ...arms } = map(entry, at, (each) => each);
      const numbers = (cell: unknown, place: string) =>
        list(cell, place).map((each, column) => number(each, `${place}.${column}`));
      return {
        columns: list(columns, `${at}.columns`).map(String),
        cells: map(arms, at, (row, place) => map(row, place, numbers)),
      };
    }),
    headline: Object.assign({}, ...Object.values(read(headlineKey, (entry, at) => map(entry, at, number)))),
  };
  const kinds = [published.asr, published.accuracy, published.uncertainty, published.headline];
  if (problems.length === 0 && kinds.some((kind) => Object.keys(kind).length > 0)) return published;
  throw new AuditError('data', `${path}: not figures that can be compared`, {
    problems,
    hint: 'the form is that of data/paper/published.json: tableN_asr, tableN_accuracy_percent, tableN_uncertainty, headline_printed',
  });
}

/** `table3` → `Table 3`. */
function tableName(key: string): string {
  return key.replace(/^table_?/i, 'Table ').trim();
}

function isPrinted(entry: unknown): entry is Printed {
  return entry !== null && typeof entry === 'object' && 'decimals' in entry;
}

/** JSON in which every number keeps the decimals it is written with; a number's own text is gone once it is parsed. */
function parsePrinted(path: string, text: string): Record<string, unknown> {
  const marked = text.replace(/"(?:\\.|[^"\\])*"|-?\d+(?:\.(\d+))?(?:[eE][+-]?\d+)?/g, (token, decimals) =>
    token.startsWith('"') ? token : `{"value":${token},"decimals":${String(decimals ?? '').length}}`,
  );
  try {
    const value: unknown = JSON.parse(marked);
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (cause) {
    throw new AuditError('data', `${path}: is not JSON`, {
      hint: 'mend the file, or leave out --published',
      cause,
    });
  }
  throw new AuditError('data', `${path}: expected a JSON object`, { hint: 'mend the file' });
}
