/** What one check found. */
export interface Finding {
  /** The check's name, one word. */
  readonly check: string;
  /** `warning`: the run will work, but something about it has to be known. `problem`: it has to be mended first. */
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do; null where nothing is to be done. */
  readonly advice: string | null;
  readonly details: readonly string[];
  /** The numbers behind the message. */
  readonly values?: Readonly<Record<string, unknown>>;
}

interface More {
  readonly details?: readonly string[];
  readonly values?: Readonly<Record<string, unknown>>;
}

const finding =
  (status: Finding['status']) =>
  (check: string, message: string, advice: string | null, { details = [], values }: More = {}): Finding => ({
    check,
    status,
    message,
    advice,
    details:
      details.length > listed
        ? [...details.slice(0, listed), `and ${details.length - listed} more`]
        : details,
    ...(values && { values }),
  });

const listed = 10;

export const ok = (check: string, message: string, more: More = {}) =>
  finding('ok')(check, message, null, more);
export const warning = finding('warning');
export const problem = finding('problem');

/** `1 row`, `2 rows`. */
export const count = (n: number, what: string) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
