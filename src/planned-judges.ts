import type { Builtin } from './builtin.ts';
import type { Config } from './config.ts';
import type { JudgeModel } from './config-judge.ts';
import { AuditError } from './errors.ts';
import type { Scorer } from './scorer.ts';

/** Who judges, to be opened before anything is asked. */

interface PlannedJudge {
  readonly open: () => Promise<Scorer<unknown>>;
  readonly model: JudgeModel | null;
}

/** What judges by more than a rule of ours, and so may not be there. */
export function modelJudges(
  { judges, suites }: Config,
  builtin: Builtin,
  signal: AbortSignal | undefined,
): PlannedJudge[] {
  const entailment = suites.drift?.semanticEntropy?.judge;
  return [
    ...judges.map((judge) => ({
      open: () => builtin.harmJudge(judge, signal).catch(ofJudge(judge.name)),
      model: 'model' in judge ? judge.model : null,
    })),
    ...(entailment
      ? [
          {
            open: () => builtin.clusterJudge(entailment, signal).catch(ofJudge('of meanings')),
            model: entailment,
          },
        ]
      : []),
  ];
}

/** Says whose mistake it is: several models may be behind servers. */
const ofJudge =
  (name: string) =>
  (error: unknown): never => {
    if (!(error instanceof AuditError) || error.code === 'interrupted') throw error;
    const { code, message, problems, hint } = error;
    throw new AuditError(code, `judge ${name}: ${message}`, {
      problems,
      ...(hint && { hint }),
      cause: error,
    });
  };
