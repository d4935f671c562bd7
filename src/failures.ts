import { AuditError, firstProblems } from './errors.ts';

/** Requests that failed alone, told from a server that answers nothing any more. */
export interface Failures {
  /**
   * `ofItself`: it was refused for what it holds, or failed on an earlier start as well, so says nothing of the server.
   * @throws AuditError `network`.
   */
  note(problems: readonly string[], ofItself?: boolean): void;
  answered(): void;
  /** `before`: how many were answered on earlier starts. @throws AuditError `network` where none ever was. */
  throwIfAll(before: number): void;
}

/** A run that goes on after so many in a row would only write failures. */
const mostInARow = 20;

/** `what`: what is asked, and of whom, for people. */
export function createFailures(what: string): Failures {
  const first: string[] = [];
  let [all, inARow, answers] = [0, 0, 0];
  const gone = () =>
    new AuditError('network', `${all} prompts of ${what} got no answer, and none came between`, {
      problems: firstProblems(first, all),
      hint: 'the other answers are kept: mend the server, and the same command asks these again',
    });
  return {
    note: (problems, ofItself = false) => {
      if (all < mostInARow) first.push(...problems);
      all += problems.length;
      if (!ofItself && ++inARow >= mostInARow) throw gone();
    },
    answered: () => {
      inARow = 0;
      answers++;
    },
    throwIfAll: (before) => {
      if (all > 0 && answers + before === 0) throw gone();
    },
  };
}
