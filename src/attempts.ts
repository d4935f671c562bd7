import { AuditError } from './errors.ts';

export type Attempts = ReturnType<typeof createAttempts>;

/** Runs steps that do not depend on each other, so that the user learns what is wrong with all of them. */
export function createAttempts() {
  const errors: AuditError[] = [];
  return {
    /** What was wrong, in the order it was found. */
    errors: errors as readonly AuditError[],
    /** The step's result, or null when the user has something to mend. */
    run: async <T>(step: () => T | Promise<T>): Promise<T | null> => {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof AuditError) || error.code === 'interrupted') throw error;
        errors.push(error);
        return null;
      }
    },
    /** @throws AuditError with everything collected. */
    finish: () => {
      const [first] = errors;
      if (!first) return;
      if (errors.length === 1) throw first;
      throw new AuditError(first.code, `${errors.length} things have to be mended before this can run`, {
        problems: errors.flatMap(({ message, problems, hint }) => [
          hint ? `${message} (${hint})` : message,
          ...problems.map((problem) => `  ${problem}`),
        ]),
      });
    },
  };
}
