import { chmodSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AuditError } from '../errors.ts';
import { diskError, makeFolder, writeFileAtomic } from '../files.ts';
import { applyPolicy, checkGate, gateMarkdown, gateVerdict } from '../gate.ts';
import { sha256Json } from '../hash.ts';
import { writeJunit } from '../junit.ts';
import { ownGate, type Policy, readPolicy } from '../policy.ts';
import { summariseRecorded, underSetting } from '../replay/recorded.ts';
import { readRunFolder } from '../replay/run-folder.ts';
import { textTable } from '../result-table.ts';
import { refuseChanged } from '../run-report.ts';
import { verdictExitCode } from '../verdict.ts';
import type { Context, Outcome } from './verb.ts';

/**
 * Holds a finished run to a policy, from its records alone: the summary is computed anew, no model is opened.
 * Writes junit.xml, gate.md and gate.json; exits 0, 2 or 4.
 */
export async function gate(
  directory: string,
  flags: { policy?: string; out?: string },
  context: Context,
): Promise<Outcome> {
  await refuseChanged(directory);
  const policy = flags.policy === undefined ? ownGate : readPolicy(flags.policy);
  const recorded = await readRunFolder(directory, context);
  const { name, setting } = recorded;
  refuseUnknownArms(
    setting.arms.map((arm) => arm.name),
    setting.baseArm,
    policy,
  );
  const summary = summariseRecorded(underSetting(recorded, applyPolicy(setting, policy)));
  const checks = checkGate(summary, policy);
  const verdict = gateVerdict(checks);
  const document = {
    schema: 'aftertune/gate@1',
    run: name,
    policy,
    policySha256: sha256Json(policy),
    verdict,
    exitCode: verdictExitCode(verdict),
    checks,
    comparisons: summary.comparisons,
    caveats: summary.caveats,
  };
  const out = resolve(flags.out ?? join(directory, 'gate'));
  try {
    makeFolder(out);
  } catch (error) {
    throw diskError(out, error);
  }
  if (flags.out === undefined) chmodSync(out, 0o700);
  const files = {
    'junit.xml': writeJunit(
      checks.map(({ arm, name, verdict, found, asked }) => ({
        arm,
        name,
        verdict,
        message: `${found}; asked: ${asked}`,
      })),
    ),
    'gate.md': gateMarkdown(name, summary, checks),
    'gate.json': `${JSON.stringify(document, null, 2)}\n`,
  };
  for (const [file, data] of Object.entries(files)) writeFileAtomic(join(out, file), data);
  const rows = checks.map((check) => [check.arm, check.name, check.found, check.asked, check.verdict]);
  const shown = textTable(['arm', 'check', 'found', 'asked', 'verdict'], rows).join('\n');
  const text = `${shown}\n\n${basename(resolve(directory))}: ${verdict} (exit code ${document.exitCode})\nwritten: ${out}\n`;
  return { document, text, exitCode: document.exitCode };
}

function refuseUnknownArms(names: readonly string[], baseArm: string, { arms = [] }: Policy): void {
  const problems = arms.flatMap((arm) =>
    arm === baseArm
      ? [`${arm}: is what the others are compared with`]
      : names.includes(arm)
        ? []
        : [`${arm}: no such arm in this run`],
  );
  if (problems.length === 0) return;
  throw new AuditError('config', 'the policy names arms that cannot be gated', {
    problems,
    hint: `arms of the run: ${names.join(', ')}`,
  });
}
