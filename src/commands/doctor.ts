import { type Builtin, builtin as packageParts } from '../builtin.ts';
import { overridesOf, type RunFlags } from '../commands.ts';
import type { Config } from '../config.ts';
import { readConfigFile } from '../config-file.ts';
import { resolveConfig } from '../config-resolve.ts';
import { judgeCheck } from '../doctor/calibrate.ts';
import { staticFindings } from '../doctor/checks.ts';
import { type Evidence, gatherEvidence } from '../doctor/evidence.ts';
import { type Finding, ok, problem, warning } from '../doctor/finding.ts';
import { probeFindings } from '../doctor/probe.ts';
import { AuditError, exitCode } from '../errors.ts';
import { fetchModels, namesHubModels } from '../fetch-models.ts';
import type { Context, Outcome } from './verb.ts';

/** Looks at a config before it is run; `probe` loads its models too. Exits 0, 3 for a problem, 4 for an unreliable judge. */
export async function doctor(
  path: string,
  flags: RunFlags & { readonly probe?: boolean | undefined },
  context: Context,
  builtin: Builtin = packageParts,
): Promise<Outcome> {
  const { probe = false } = flags;
  const findings = await examine(path, flags, probe, context, builtin);
  const problems = findings.filter(({ status }) => status === 'problem');
  const judgeAlone = problems.length > 0 && problems.every(({ check }) => check === judgeCheck);
  const code = problems.length === 0 ? exitCode.pass : judgeAlone ? exitCode.inconclusive : exitCode.usage;
  return {
    document: { schema: 'aftertune/doctor@1', config: path, probed: probe, exitCode: code, findings },
    text: textOf(findings, probe),
    exitCode: code,
  };
}

async function examine(
  path: string,
  flags: RunFlags,
  probe: boolean,
  context: Context,
  builtin: Builtin,
): Promise<Finding[]> {
  let config: Config;
  try {
    const file = readConfigFile(path, overridesOf(flags));
    config = resolveConfig(file.input, file.directory);
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'config') throw error;
    return [problem('config', error.message, error.hint ?? null, { details: error.problems })];
  }
  const valid = ok(
    'config',
    `${config.name}: arms ${config.arms.map(({ name }) => name).join(', ')}; preset ${config.preset}`,
  );
  const evidence = await gatherEvidence(config, builtin);
  if (!probe) return [valid, ...staticFindings(evidence)];
  if (evidence.failures.length > 0) {
    const advice = 'mend what is named above, then run the same command again';
    return [valid, ...staticFindings(evidence), warning('probe', 'no model was loaded', advice)];
  }
  return [valid, ...(await examineModels(config, evidence, context, builtin))];
}

/** Static checks once more, with what was fetched, and those that load models. */
async function examineModels(
  config: Config,
  before: Evidence,
  { onProgress, signal }: Context,
  builtin: Builtin,
): Promise<Finding[]> {
  let fetched: Config;
  try {
    fetched = await fetchModels(config, { onProgress, signal });
  } catch (error) {
    if (!(error instanceof AuditError) || error.code === 'interrupted') throw error;
    const { message, hint, problems } = error;
    return [...staticFindings(before), problem('model', message, hint ?? null, { details: problems })];
  }
  const evidence = namesHubModels(config) ? await gatherEvidence(fetched, builtin) : before;
  const probed = await probeFindings(evidence, builtin, { onProgress, signal });
  const measured = probed.some(({ check }) => check === 'estimate');
  return [...staticFindings(evidence).filter(({ check }) => check !== 'estimate' || !measured), ...probed];
}

function textOf(findings: readonly Finding[], probe: boolean): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, status, message, advice, details }) => [
    `${status.padEnd(7)}  ${check.padEnd(width)}  ${message}`,
    ...(status === 'ok' && check !== 'estimate'
      ? []
      : details.map((detail) => `${' '.repeat(width + 13)}${detail}`)),
    ...(advice === null ? [] : [`${' '.repeat(width + 11)}→ ${advice}`]),
  ]);
  const number = (status: Finding['status']) => findings.filter((each) => each.status === status).length;
  const summary = `${number('problem')} to mend, ${number('warning')} to know, ${number('ok')} in order`;
  const next = probe ? '' : '; --probe also loads the models';
  return `${lines.join('\n')}\n\n${summary}${next}\n`;
}
