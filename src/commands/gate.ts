import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AuditError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { applyPolicy, checkGate, gateMarkdown, gateVerdict } from '../gate.ts';
import { sha256Json } from '../hash.ts';
import { writeJunit } from '../junit.ts';
import { ownGate, type Policy, readPolicy } from '../policy.ts';
import { readRunFolder } from '../replay/run-folder.ts';
import { textTable } from '../result-table.ts';
import { verifyRun } from '../store.ts';
import { summariseRows } from '../summarise.ts';
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
  await refuseOtherEvidence(directory);
  const policy = flags.policy === undefined ? ownGate : readPolicy(flags.policy);
  const { name, setting, table, caveats = [] } = await readRunFolder(directory, context);
  refuseUnknownArms(
    setting.arms.map((arm) => arm.name),
    setting.baseArm,
    policy,
  );
  const computed = summariseRows(applyPolicy(setting, policy), table.rowsOf);
  const carried = caveats.filter((caveat) => !computed.caveats.includes(caveat));
  const summary = { ...computed, caveats: [...carried, ...computed.caveats] };
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
  mkdirSync(out, { recursive: true, mode: 0o700 });
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
  const table_ = textTable(['arm', 'check', 'found', 'asked', 'verdict'], rows).join('\n');
  const text = `${table_}\n\n${basename(resolve(directory))}: ${verdict} (exit code ${document.exitCode})\nwritten: ${out}\n`;
  return { document, text, exitCode: document.exitCode };
}

/** A gate goes by what the run wrote. @throws AuditError `store` naming what is not as it was left. */
async function refuseOtherEvidence(directory: string): Promise<void> {
  if (!existsSync(join(directory, 'done.json'))) {
    throw new AuditError('store', `${directory}: not a finished run`, {
      hint: 'run the command that began it again (it resumes), or give another folder',
    });
  }
  const evidence = /^(run|setting|summary)\.json: |^(items|verdicts|margins)\.jsonl: /;
  const problems = (await verifyRun(directory)).filter((line) => evidence.test(line));
  if (problems.length === 0) return;
  throw new AuditError('store', `${directory}: its records are not those that the run wrote`, {
    problems,
    hint: 'restore them from a copy, or run it again with --fresh',
  });
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
