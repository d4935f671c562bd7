import { createContext, Script } from 'node:vm';

/** The work took longer than it was given. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

const context: { run?: (() => unknown) | undefined } = {};
createContext(context);
const script = new Script('run()');

/**
 * Runs something that might never end, and stops it when its time is up, wherever it is: V8 ends the execution, so
 * none of its `catch` or `finally` blocks run and what it was changing must not be used again.
 * @throws DeadlineError when the time (milliseconds) is up.
 */
export function withDeadline<T>(milliseconds: number, run: () => T): T {
  const outer = context.run;
  context.run = run;
  try {
    return script.runInContext(context, { timeout: milliseconds }) as T;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new DeadlineError(`not done after ${milliseconds / 1000} seconds`);
    throw error;
  } finally {
    context.run = outer;
  }
}
