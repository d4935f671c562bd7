import { join, resolve } from 'node:path';
import {
  type ArmSettings,
  type Config,
  type ConfigInput,
  configSchema,
  type ParsedConfig,
  weightsOf,
  withWeights,
} from './config.ts';
import { type JudgeSettings, withJudgePaths } from './config-judge.ts';
import { type ConfigProblem, describeIssue } from './config-problem.ts';
import { withMeaningJudge } from './config-suites.ts';
import { placeData } from './data/resolve.ts';
import { AuditError } from './errors.ts';
import { packageRoot } from './files.ts';
import { isHubName } from './hub/name.ts';
import { presets } from './presets.ts';

/** Fills in what the preset says and `input` does not; a preset adds no suite that was not asked for. */
function underPreset(input: unknown): unknown {
  if (!isTree(input)) return input;
  const preset = presets[input.preset as ParsedConfig['preset']] ?? {};
  if (!isTree(input.suites)) return fill(input, { ...preset, suites: undefined });
  const asked = input.suites;
  const suites = Object.fromEntries(
    Object.entries(preset.suites ?? {}).filter(([name]) => isTree(asked[name])),
  );
  return fill(input, { ...preset, suites });
}

function fill(input: Record<string, unknown>, below: object): Record<string, unknown> {
  const merged = { ...input };
  for (const [key, value] of Object.entries(below)) {
    if (merged[key] === undefined) merged[key] = value;
    else if (isTree(merged[key]) && isTree(value)) merged[key] = fill(merged[key], value);
  }
  return merged;
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What an input means, or everything that is wrong with it. */
export function parseConfig(
  input: unknown,
  directory: string,
): { config: Config } | { problems: ConfigProblem[] } {
  const parsed = configSchema.safeParse(underPreset(input), { reportInput: true });
  if (!parsed.success)
    return { problems: parsed.error.issues.flatMap((issue) => describeIssue(issue, configSchema)) };
  const problems = crossChecks(parsed.data);
  return problems.length > 0 ? { problems } : { config: spellOut(parsed.data, directory) };
}

/**
 * The config a plain object stands for; relative paths start at `directory`.
 * @throws AuditError `config` with every problem at once.
 */
export function resolveConfig(input: ConfigInput, directory: string = process.cwd()): Config {
  const result = parseConfig(input, directory);
  if ('config' in result) return result.config;
  throw new AuditError('config', 'the config is not valid', {
    problems: result.problems.map(
      ({ path, message }) => `${path.map(String).join('.') || 'config'}: ${message}`,
    ),
    hint: 'aftertune init writes a config with every key explained',
  });
}

/** What the schema alone cannot say: how keys depend on each other. */
function crossChecks(parsed: ParsedConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (path: string, message: string) => problems.push({ path: path.split('/'), message });
  const names = Object.keys(parsed.arms);
  const served = 'endpoint' in parsed.model ? parsed.model : null;
  for (const name of Object.keys(served?.adapters ?? {}))
    if (!names.includes(name)) add(`model/adapters/${name}`, `no such arm; there are ${names.join(', ')}`);
  for (const [name, adapter] of Object.entries(served?.adapters ?? {}))
    if (adapter === served?.base)
      add(
        `model/adapters/${name}`,
        'is model.base itself: name the fine-tune, or leave it out and set train: none',
      );
  if (served?.budget?.money !== undefined && !served.budget.prices)
    add('model/budget/money', 'needs model.budget.prices');
  for (const [name, { train, adapter, redTeam }] of Object.entries(parsed.arms)) {
    const isServed = served !== null && Object.hasOwn(served.adapters, name);
    if ((train === undefined) === (adapter === undefined) && !(isServed && adapter === undefined))
      add(`arms/${name}`, 'expected either train or adapter');
    if (isServed && adapter !== undefined)
      add(`arms/${name}/adapter`, 'the arm is in model.adapters too; leave out one of the two');
    if (isServed && train === 'none') add(`arms/${name}/train`, 'none, and the arm is in model.adapters');
    const trainsHere = train !== undefined && train !== 'none' && !isServed;
    if (trainsHere && served && !served.weights)
      add(
        `arms/${name}/train`,
        `a server does not train: set model.weights to the base’s folder or hf:OWNER/NAME, to train it here (training.trainer: trl with a launcher, or embedded) and have the server load the adapter; or give model.adapters.${name}`,
      );
    if (trainsHere && parsed.training.trainer === 'none')
      add(`arms/${name}/train`, 'training.trainer is none: name an adapter that exists, or a trainer');
    if (trainsHere && train === 'ordinary' && !parsed.data.ordinary)
      add(`arms/${name}/train`, 'data.ordinary is missing');
    if (trainsHere && train !== 'ordinary' && !parsed.data.preference)
      add(`arms/${name}/train`, 'data.preference is missing');
    if (redTeam === false && learnsRejected(train))
      add(`arms/${name}/redTeam`, 'an arm trained on rejected responses is red-team');
  }
  const untouched = names.filter((name) => parsed.arms[name]?.train === 'none');
  if (parsed.baseArm !== undefined && !names.includes(parsed.baseArm))
    add('baseArm', `no such arm; there are ${names.join(', ')}`);
  if (parsed.baseArm === undefined && untouched.length !== 1) {
    add(
      'baseArm',
      untouched.length > 1
        ? `choose one of ${untouched.join(', ')}`
        : 'name the base, or add an arm with train: none',
    );
  }
  for (const name of parsed.gate.arms ?? [])
    if (!names.includes(name)) add('gate/arms', `no such arm: ${name}; there are ${names.join(', ')}`);
  const judges = parsed.judges.map(({ name }) => name);
  for (const name of new Set(judges.filter((name, at) => judges.indexOf(name) !== at)))
    add('judges', `two judges are called ${name}; give one another name`);
  if (Object.values(parsed.suites).every((suite) => suite === undefined))
    add('suites', 'expected at least one of harm, overRefusal, drift, utility');
  if (parsed.training.warmupSteps > parsed.training.steps)
    add('training/warmupSteps', `more than training.steps (${parsed.training.steps})`);
  const { evaluation, earlyStopping, trainer } = parsed.training;
  for (const key of ['launcher', 'precision'] as const)
    if (parsed.training[key] !== undefined && trainer !== 'trl')
      add(`training/${key}`, `is for training.trainer: trl, which is ${trainer}`);
  if (trainer === 'trl' && /\.gguf$/i.test(weightsOf(parsed) ?? ''))
    add('training/trainer', 'TRL does not train on GGUF files: name the safetensors model, or use embedded');
  if (evaluation && (evaluation.rows === undefined) === (evaluation.fraction === undefined))
    add('training/evaluation', 'expected either rows or fraction');
  if (earlyStopping && !evaluation) add('training/earlyStopping', 'training.evaluation is missing');
  for (const [suite, settings] of Object.entries(parsed.suites)) {
    if (settings && 'repeats' in settings && settings.repeats > 1 && settings.temperature === 0) {
      add(`suites/${suite}/repeats`, 'every repeat is the same at temperature 0; set a temperature');
    }
  }
  const { harm } = parsed.suites;
  if (harm?.variance?.seeds.length && harm.temperature === 0)
    add('suites/harm/variance/seeds', 'every seed gives the same at temperature 0; set a temperature');
  for (const [key, values] of Object.entries({
    'prefill/tokens': harm?.prefill?.tokens ?? [],
    'variance/seeds': [...(harm?.variance?.seeds ?? []), ...(harm?.variance ? [parsed.seed] : [])],
  })) {
    if (new Set<number>(values).size < values.length)
      add(`suites/harm/${key}`, 'a number is there twice (the run’s own seed counts)');
  }
  for (const [key, words] of Object.entries({
    template: ['{question}'],
    contextTemplate: ['{context}', '{question}'],
  })) {
    const template = parsed.suites.drift?.[key as 'template'] ?? '{context}{question}';
    for (const word of words)
      if (!template.includes(word)) add(`suites/drift/${key}`, `${word} does not occur in it`);
  }
  if (parsed.suites.utility && !parsed.suites.utility.template.includes('{question}'))
    add('suites/utility/template', '{question} does not occur in it');
  const doses = [parsed.suites.drift?.contextRepeats ?? 1].flat();
  if (new Set(doses).size < doses.length) add('suites/drift/contextRepeats', 'a number is in the list twice');
  return problems;
}

function learnsRejected(train: ParsedConfig['arms'][string]['train']): boolean {
  return train === 'rejected' || (typeof train === 'object' && train.rejected > 0);
}

const placeIn =
  (directory: string) =>
  (path: string): string =>
    path.startsWith('builtin:')
      ? join(packageRoot, 'models', path.slice(8))
      : (placeData(path) ?? resolve(directory, path));

/** As `placeIn`, of a model or an adapter: a Hub name starts nowhere. */
export const placeModelIn =
  (directory: string) =>
  (path: string): string =>
    isHubName(path) ? path : placeIn(directory)(path);

/** Judges with every path absolute. */
function placeJudges(judges: readonly JudgeSettings[], directory: string): JudgeSettings[] {
  const place = placeIn(directory);
  const placeModel = placeModelIn(directory);
  return judges.map((judge) => {
    if (judge.type === 'recorded') return { ...judge, file: place(judge.file) };
    if (judge.type === 'refusal') return judge;
    const placed = 'promptFile' in judge ? { ...judge, promptFile: place(judge.promptFile) } : judge;
    return { ...placed, model: withJudgePaths(placed.model, placeModel) };
  });
}

function spellOut(parsed: ParsedConfig, directory: string): Config {
  const place = placeIn(directory);
  const placeModel = placeModelIn(directory);
  const { harm, overRefusal, drift, utility } = parsed.suites;
  const baseArm =
    parsed.baseArm ?? Object.keys(parsed.arms).find((name) => parsed.arms[name]?.train === 'none')!;
  const { model } = parsed;
  const served: Readonly<Record<string, string>> = 'endpoint' in model ? model.adapters : {};
  const arms = Object.entries(parsed.arms).map(([name, { train, adapter, redTeam }]): ArmSettings => {
    const there = Object.hasOwn(served, name) ? served[name]! : null;
    const isRedTeam = redTeam ?? learnsRejected(train);
    return {
      name,
      train: train === undefined || train === 'none' || there !== null ? null : train,
      adapter: adapter === undefined ? there : placeModel(adapter),
      redTeam: isRedTeam,
      gated: name !== baseArm && (parsed.gate.arms?.includes(name) ?? !isRedTeam),
    };
  });
  return {
    ...parsed,
    out: parsed.out === undefined ? resolve('runs', parsed.name) : place(parsed.out),
    model: withWeights(model, placeModel),
    data: {
      systemPrompt: parsed.data.systemPrompt,
      ...(parsed.data.preference && { preference: place(parsed.data.preference) }),
      ...(parsed.data.ordinary && { ordinary: place(parsed.data.ordinary) }),
    },
    arms,
    baseArm,
    suites: withMeaningJudge(
      {
        ...(harm && {
          harm: {
            ...harm,
            prompts: place(harm.prompts),
            refusalMargin: harm.refusalMargin && {
              prompts: harm.refusalMargin.prompts && place(harm.refusalMargin.prompts),
            },
          },
        }),
        ...(overRefusal && { overRefusal: { ...overRefusal, prompts: place(overRefusal.prompts) } }),
        ...(drift && {
          drift: {
            ...drift,
            questions: place(drift.questions),
          },
        }),
        ...(utility && { utility: { ...utility, tasks: place(utility.tasks) } }),
      },
      (model) => withJudgePaths(model, placeModel),
    ),
    judges: placeJudges(parsed.judges, directory),
    gate: { marginsPoints: parsed.gate.marginsPoints, strict: parsed.gate.strict },
  };
}
