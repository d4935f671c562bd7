/** What went wrong, by who can act on it. A bug is not here: it is a plain `Error('internal: …')`, printed with its stack. */

/** The process exit codes: a contract with scripts and CI. */
export const exitCode = {
  pass: 0,
  runtime: 1,
  regression: 2,
  usage: 3,
  inconclusive: 4,
  interrupted: 130,
} as const;

export type ErrorCode =
  | 'config'
  | 'data'
  | 'model'
  | 'adapter'
  | 'engine'
  | 'store'
  | 'judge'
  | 'disk'
  | 'network'
  | 'budget'
  | 'interrupted'
  | 'unsupported';

const exitOf: Record<ErrorCode, number> = {
  config: exitCode.usage,
  data: exitCode.usage,
  model: exitCode.usage,
  adapter: exitCode.usage,
  unsupported: exitCode.usage,
  engine: exitCode.runtime,
  store: exitCode.runtime,
  disk: exitCode.runtime,
  network: exitCode.runtime,
  judge: exitCode.inconclusive,
  // What was finished is kept, and the same command goes on.
  budget: exitCode.interrupted,
  interrupted: exitCode.interrupted,
};

/** Something the user can mend: printed as `message` and `hint`, without a stack. */
export class AuditError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Every problem found at once, each with its path or line; empty when `message` says it all. */
  readonly problems: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; problems?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AuditError';
    this.code = code;
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }

  get exitCode(): number {
    return exitOf[this.code];
  }
}

/** @throws AuditError `interrupted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AuditError('interrupted', 'interrupted', { hint: 'run the same command again to resume' });
}

const listed = 20;

/** The first 20 problems of an error, and how many more there are, of which not all need be given. */
export function firstProblems(problems: readonly string[], all = problems.length): string[] {
  const more = all - listed;
  return more > 0 ? [...problems.slice(0, listed), `and ${more} more`] : [...problems];
}

/** An error that the next item would meet as well, or the user's own stop: not one of a single item. */
export function concernsAll(error: unknown): boolean {
  if (error instanceof AuditError) return ['interrupted', 'network', 'budget', 'config'].includes(error.code);
  return (error as Error)?.name === 'AbortError';
}
