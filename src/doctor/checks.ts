import { checkEstimate } from './estimate.ts';
import type { Evidence } from './evidence.ts';
import type { Finding } from './finding.ts';
import { checkAdapters, checkBase, checkJudges } from './models.ts';
import { checkPower } from './power.ts';
import { checkData, checkDuplicates, checkLengths, checkOverlap, checkSystemPrompts } from './prompts.ts';
import { checkAdapterTemplates, checkBos, checkTrainingIds } from './templates.ts';
import { checkTrainer } from './trainer.ts';

/** The static checks, in the order of their findings: each is a function of the evidence alone. */
const checks: readonly ((evidence: Evidence) => Finding[])[] = [
  checkData,
  checkBase,
  checkAdapters,
  checkAdapterTemplates,
  checkTrainingIds,
  checkBos,
  checkTrainer,
  checkSystemPrompts,
  checkLengths,
  checkDuplicates,
  checkOverlap,
  checkJudges,
  checkPower,
  checkEstimate,
];

export function staticFindings(evidence: Evidence): Finding[] {
  return checks.flatMap((check) => check(evidence));
}
