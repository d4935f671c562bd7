import { resolve } from 'node:path';
import { outcomeOf } from '../commands.ts';
import { AuditError, exitCode } from '../errors.ts';
import { importRun } from '../import-run.ts';
import { type Context, collectEarly, type Outcome } from './verb.ts';

export interface ImportFlags {
  /** NAME=FILE. */
  readonly arm: readonly string[];
  readonly baseArm?: string;
  readonly out?: string;
  readonly format: string;
  readonly unsafeScore?: string;
  readonly behaviors?: string;
  readonly ownPrompts?: boolean;
  readonly fresh?: boolean;
}

/** Makes a finished run of what other tools recorded; exits 0 whatever the verdicts, which `gate` exits by. */
export async function importOutcomes(flags: ImportFlags, { onProgress }: Context): Promise<Outcome> {
  if (flags.out === undefined || flags.arm.length === 0)
    throw new AuditError('config', 'import needs --out and at least one --arm', {
      hint: 'aftertune import --arm base=BASE_FILE --arm tuned=TUNED_FILE --out FOLDER',
    });
  collectEarly();
  const { summary, directory } = await importRun({
    arms: flags.arm.map(readArm),
    baseArm: flags.baseArm ?? null,
    out: resolve(flags.out),
    format: flags.format,
    unsafeScore: flags.unsafeScore ?? null,
    behaviours: flags.behaviors ?? null,
    ownPrompts: flags.ownPrompts ?? false,
    fresh: flags.fresh ?? false,
    onProgress: (done, total, label) => onProgress({ stage: 'import', label, done, total, unit: 'arms' }),
  });
  const outcome = outcomeOf(summary, directory, exitCode.pass);
  return {
    ...outcome,
    text: `${outcome.text}\nThe records were imported: exit code 0. The gate would give ${summary.gate.exitCode}.\n`,
  };
}

function readArm(text: string): { name: string; path: string } {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(at, 0));
  if (/^[A-Za-z0-9][\w.-]*$/.test(name) && at + 1 < text.length) return { name, path: text.slice(at + 1) };
  throw new AuditError(
    'config',
    `--arm ${text}: expected NAME=FILE, the name of letters, digits, dot, dash or underscore`,
  );
}
