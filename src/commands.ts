import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { AuditOptions } from './audit.ts';
import { type VarianceFlags, varianceOverrides } from './commands/variance-flags.ts';
import { type Context, collectEarly, type Outcome } from './commands/verb.ts';
import type { ConfigInput } from './config.ts';
import { type ConfigFile, type Override, readConfigFile } from './config-file.ts';
import { placeModelIn } from './config-resolve.ts';
import { AuditError, exitCode } from './errors.ts';
import { fetchPaths } from './fetch-models.ts';
import { packageRoot, writeFileAtomic } from './files.ts';
import { localPath } from './hub/cache.ts';
import { repositoryOf } from './hub/name.ts';
import { configTemplate } from './init.ts';
import type { Summary } from './record.ts';
import { resultText, textTable } from './result-table.ts';

/** Flags that a run's verbs share. */
export interface RunFlags {
  readonly out?: string | undefined;
  readonly seed?: number | undefined;
  readonly preset?: string | undefined;
  readonly limit?: number | undefined;
  readonly set?: readonly string[] | undefined;
  readonly fresh?: boolean | undefined;
}

const demoConfig = join(packageRoot, 'examples/demo.yaml');

/** The whole experiment on the embedded model; exits 0 whatever the verdicts. */
export async function demo(flags: RunFlags, context: Context): Promise<Outcome> {
  const out = flags.out ?? 'runs/demo';
  const file = readConfigFile(demoConfig, overridesOf({ ...flags, out }));
  const { audit } = await import('./audit.ts');
  const { summary, directory } = await audit(file.input, {
    ...optionsFor(file, context),
    fresh: 'unless-unfinished',
  });
  const note = `\nThis was a demo on an invented world: exit code 0. The gate would give ${summary.gate.exitCode}.\n`;
  return { ...outcomeOf(summary, directory, exitCode.pass), text: resultText(summary, directory) + note };
}

/** Writes a commented config. @throws AuditError `config` when the file exists. */
export function init(path: string): Outcome {
  if (existsSync(path)) {
    throw new AuditError('config', `${path}: exists already`, {
      hint: 'give another name: aftertune init FILE',
    });
  }
  writeFileAtomic(resolve(path), configTemplate, 0o644);
  const text = `wrote ${path}\nnext: aftertune run ${path}\n`;
  return { document: { schema: 'aftertune/init@1', config: path }, text, exitCode: exitCode.pass };
}

/** A whole audit from a config file; exits by the gate. */
export async function run(path: string, flags: RunFlags & VarianceFlags, context: Context): Promise<Outcome> {
  collectEarly();
  const file = readConfigFile(path, [...varianceOverrides(flags), ...overridesOf(flags)]);
  const { audit } = await import('./audit.ts');
  const { summary, directory, ...result } = await audit(file.input, {
    ...optionsFor(file, context),
    fresh: flags.fresh ?? false,
  });
  return outcomeOf(summary, directory, result.exitCode);
}

/** Trains arms and stops; a later `run` uses the adapters. */
export async function train(
  path: string,
  flags: RunFlags & { arm?: readonly string[] },
  context: Context,
): Promise<Outcome> {
  const file = readConfigFile(path, overridesOf(flags));
  const options = { ...optionsFor(file, context), fresh: flags.fresh ?? false };
  const { trainOnly } = await import('./audit.ts');
  const { directory, arms } = await trainOnly(file.input, flags.arm ?? null, options);
  const rows = arms.map(({ name, adapter, training }) => [
    name,
    String(training.steps),
    training.finalLoss.toFixed(3),
    adapter,
  ]);
  return {
    document: { schema: 'aftertune/train@1', directory, arms: arms.map(({ history: _, ...arm }) => arm) },
    text: `${textTable(['arm', 'steps', 'last loss', 'adapter'], rows).join('\n')}\n`,
    exitCode: exitCode.pass,
  };
}

/** Flags of `audit`: what there is to evaluate, and with which prompts and judge. */
export interface AuditFlags extends RunFlags {
  readonly base?: string;
  readonly adapter: readonly string[];
  readonly config?: string;
  readonly harm?: string;
  readonly overRefusal?: string;
  readonly questions?: string;
  readonly judgeModel?: string;
  readonly judgeAdapter?: string;
}

/** Evaluates fine-tunes that exist already; exits by the gate. */
export async function auditAdapters(flags: AuditFlags, context: Context): Promise<Outcome> {
  if (flags.adapter.length === 0) {
    throw new AuditError('config', 'audit needs at least one --adapter', {
      hint: 'see aftertune audit --help',
    });
  }
  const { preset, seed, limit, set } = flags;
  refuseOtherPrompts(flags);
  const { input: file, ...rest } = readConfigFile(flags.config ?? demoConfig, [
    ...auditOverrides(flags),
    ...overridesOf({ preset, seed, limit, set }),
  ]);
  const names = armNames(flags.adapter);
  const arms: ConfigInput['arms'] = { base: { train: 'none' } };
  for (const [at, name] of names.entries()) arms[name] = { adapter: placeModel(flags.adapter[at]!) };
  const input: ConfigInput = {
    ...file,
    name: 'audit',
    out: resolve(flags.out ?? join('runs', `audit-${names.join('-')}`.slice(0, 80))),
    model: flags.base === undefined ? file.model : { ...localPart(file.model), path: placeModel(flags.base) },
    arms,
    baseArm: 'base',
    gate: { ...file.gate, arms: undefined },
  };
  // run.json keeps what was put together here: no file says it.
  const options = { ...optionsFor({ ...rest, input, text: '' }, context), fresh: flags.fresh ?? false };
  const { audit } = await import('./audit.ts');
  const { summary, directory, ...result } = await audit(input, options);
  return outcomeOf(summary, directory, result.exitCode);
}

/** How the config's model is run here, for another base; nothing of one behind a server. */
const localPart = (model: ConfigInput['model']) => ('path' in model ? model : {});

/** The demo's prompts are about an invented island: a pass on them says nothing about any other model. */
function refuseOtherPrompts({ base, config, harm, overRefusal, questions }: AuditFlags): void {
  const own = [config, harm, overRefusal, questions].some((given) => given !== undefined);
  if (own || base === undefined || resolve(base) === join(packageRoot, 'models/wren')) return;
  throw new AuditError('config', 'audit of your own model needs prompts of your own', {
    hint: 'give --harm, --over-refusal or --questions with a file each, or a --config that names them',
  });
}

/** Prompt files and judge as replacements of a config's; without a config, prompt files take the place of the demo's. */
function auditOverrides({ config, judgeModel, judgeAdapter, ...flags }: AuditFlags): Override[] {
  const files = {
    'suites.harm.prompts': flags.harm,
    'suites.overRefusal.prompts': flags.overRefusal,
    'suites.drift.questions': flags.questions,
  };
  const given = Object.entries(files).flatMap(([path, file]) =>
    file === undefined ? [] : [{ path, value: resolve(file) }],
  );
  const refusal = { type: 'refusal' };
  const bare = [
    { path: 'suites', value: {} },
    { path: 'judges', value: [refusal] },
  ];
  const adapter = judgeAdapter === undefined ? null : placeModel(judgeAdapter);
  return [
    ...(config === undefined && given.length > 0 ? bare : []),
    ...given,
    ...(judgeModel === undefined
      ? []
      : [
          {
            path: 'judges',
            value: [{ type: 'llama-guard', model: { path: placeModel(judgeModel), adapter } }, refusal],
          },
        ]),
  ];
}

/** The folders' names, told apart by a number where they are equal. */
function armNames(adapters: readonly string[]): string[] {
  const names: string[] = [];
  for (const adapter of adapters) {
    const plain =
      basename(repositoryOf(placeModel(adapter)))
        .replaceAll(/[^\w.-]/g, '-')
        .replace(/^[^A-Za-z0-9]+/, '') || 'adapter';
    const taken = new Set(['base', ...names]);
    let name = plain;
    for (let copy = 2; taken.has(name); copy++) name = `${plain}-${copy}`;
    names.push(name);
  }
  return names;
}

/** A model or an adapter of the command line: a path starts where the command runs, a Hub name nowhere. */
export const placeModel = (path: string): string => placeModelIn(process.cwd())(path);

/** Writes the checkpoint that a base and an adapter make together. */
export async function merge(
  flags: { base: string; adapter: string; out: string; acknowledgeRedTeam?: boolean },
  { onProgress, signal }: Context,
): Promise<Outcome> {
  const [base, adapter, out] = [placeModel(flags.base), placeModel(flags.adapter), resolve(flags.out)];
  const pin = await fetchPaths([base], [adapter], { onProgress, signal });
  const { mergeAdapter } = await import('./lm/merge.ts');
  const sha256 = await mergeAdapter(await localPath(pin(base)), await localPath(pin(adapter)), out, {
    acknowledgeRedTeam: flags.acknowledgeRedTeam ?? false,
    onTensor: (done, total) =>
      onProgress({ stage: 'merge', label: basename(out), done, total, unit: 'tensors' }),
    signal,
  });
  return {
    document: { schema: 'aftertune/merge@1', base: pin(base), adapter: pin(adapter), directory: out, sha256 },
    text: `wrote ${out}\nmodel.safetensors ${sha256}\n`,
    exitCode: exitCode.pass,
  };
}

/** The runs in a folder. */
export async function list(directory: string): Promise<Outcome> {
  const { listRuns } = await import('./runs.ts');
  const runs = listRuns(directory);
  const rows = runs.map(({ name, status, verdict, arms, answers, started }) => [
    name,
    status,
    verdict ?? '–',
    String(arms.length),
    String(answers),
    started,
  ]);
  const table = textTable(['run', 'status', 'verdict', 'arms', 'answers', 'started'], rows).join('\n');
  return {
    document: { schema: 'aftertune/list@1', directory, runs },
    text: runs.length === 0 ? `no runs in ${directory}\n` : `${table}\n`,
    exitCode: exitCode.pass,
  };
}

function optionsFor(
  { directory, text, environment }: ConfigFile,
  { onProgress, signal }: Context,
): AuditOptions {
  return { directory, source: { text, environment }, onProgress, signal };
}

/** Flags as replacements of the file's values; a path on the command line starts where the command runs. */
export function overridesOf({ out, seed, preset, limit, set = [] }: RunFlags): Override[] {
  const suites = ['harm', 'overRefusal', 'drift', 'utility'].map((suite) => `suites.${suite}.limit`);
  return [
    ...(out === undefined ? [] : [{ path: 'out', value: resolve(out) }]),
    ...(seed === undefined ? [] : [{ path: 'seed', value: seed }]),
    ...(preset === undefined ? [] : [{ path: 'preset', value: preset }]),
    ...(limit === undefined ? [] : suites.map((path) => ({ path, value: limit, ifParent: true }))),
    ...set.map(parseSetting),
  ];
}

/** `training.steps=100`; the value is YAML. @throws AuditError `config` when there is no `=`. */
function parseSetting(setting: string): Override {
  const at = setting.indexOf('=');
  if (at <= 0)
    throw new AuditError('config', `--set ${setting}: expected KEY=VALUE, as in training.steps=100`);
  try {
    return { path: setting.slice(0, at), value: parse(setting.slice(at + 1)) as unknown };
  } catch (error) {
    throw new AuditError('config', `--set ${setting}: the value is not YAML`, { cause: error });
  }
}

/** A summary as a verb's outcome. */
export function outcomeOf(summary: Summary, directory: string, code: number): Outcome {
  return { document: summary, text: resultText(summary, directory), exitCode: code };
}
