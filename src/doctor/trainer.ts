import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Builtin } from '../builtin.ts';
import { AuditError } from '../errors.ts';
import type { Evidence } from './evidence.ts';
import { type Finding, ok, problem } from './finding.ts';

/** Whether the trainer can be started: its program is looked for, and run by --probe alone. */

const trains = ({ config }: Evidence) => config.arms.some(({ train }) => train !== null);

/** Whether the launcher's program is there. */
export function checkTrainer(evidence: Evidence): Finding[] {
  const { trainer, launcher = 'python' } = evidence.config.training;
  if (trainer !== 'trl' || !trains(evidence)) return [];
  if (launcher === 'wait')
    return [ok('trainer', 'trl: waits for a folder that another machine fills; nothing of it runs here')];
  const [, quoted, plain] = /^\s*(?:["']([^"']+)["']|(\S+))/.exec(launcher) ?? [];
  const program = quoted ?? plain ?? '';
  const found = placesOf(program).find(isProgram);
  if (found) return [ok('trainer', `trl: launched by ${found}; --probe asks a Python for its packages`)];
  return [
    problem(
      'trainer',
      `trl: ${program} is not a program on the PATH`,
      'name the Python that has trl, or a launcher, in training.launcher',
    ),
  ];
}

/** Asks the trainer what it would run on. */
export async function probeTrainer(evidence: Evidence, builtin: Builtin): Promise<Finding[]> {
  const { training } = evidence.config;
  if (training.trainer !== 'trl' || !trains(evidence)) return [];
  try {
    const trainer = await builtin.trainer(training.trainer, training);
    const versions = await trainer.versions?.();
    if (!versions) return [];
    const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    return [ok('trainer', `trl: ${named.join(', ')}`, { values: { versions } })];
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return [problem('trainer', error.message, error.hint ?? null, { details: error.problems })];
  }
}

const placesOf = (program: string): string[] =>
  isAbsolute(program) || program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
