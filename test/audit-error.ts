import { AuditError } from '../src/errors.ts';

/** What `run` throws, for whole-object assertions; fails when it throws nothing or a bug. */
export async function auditErrorOf(
  run: () => unknown,
): Promise<Pick<AuditError, 'code' | 'message' | 'problems' | 'hint'>> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { code: error.code, message: error.message, problems: error.problems, hint: error.hint };
  }
  throw new Error('nothing was thrown');
}
