import { AuditError, firstProblems } from './errors.ts';

/** Requests that failed alone, told from a server that answers nothing any more. */
export interface Failures {
  /** `known`: it failed on an earlier start as well, so says nothing of the server. @throws AuditError `network`. */
  note(problems: readonly string[], known?: boolean): void;
  answered(): void;
  /** `before`: how many were answered on earlier starts. @throws AuditError `network` where none ever was. */
  throwIfAll(before: number): void;
}

/** A run that goes on after so many in a row would only write failures. */
const mostInARow = 20;

/** `what`: what is asked, and of whom, for people. */
export function createFailures(what: string): Failures {
  const all: string[] = [];
  let [inARow, answers] = [0, 0];
  const gone = () =>
    new AuditError('network', `${all.length} prompts of ${what} got no answer, and none came between`, {
      problems: firstProblems(all),
      hint: 'the other answers are kept: mend the server, and the same command asks these again',
    });
  return {
    note: (problems, known = false) => {
      all.push(...problems);
      if (!known && ++inARow >= mostInARow) throw gone();
    },
    answered: () => {
      inARow = 0;
      answers++;
    },
    throwIfAll: (before) => {
      if (all.length > 0 && answers + before === 0) throw gone();
    },
  };
}
