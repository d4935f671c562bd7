import { type ArmModels, modelName, servedWeights } from './arm-models.ts';
import { matchResponseTokens, planArmRows, type TrainingData } from './arms.ts';
import { type Attempts, createAttempts } from './attempts.ts';
import type { Builtin } from './builtin.ts';
import type { Config } from './config.ts';
import type { Conversation } from './conversation.ts';
import { fetchedData } from './data/resolve.ts';
import { readPreferences, readResponses } from './dataset.ts';
import { AuditError, firstProblems } from './errors.ts';
import { sha256File } from './hash.ts';
import { refuseLacking, sameModels, ungreedy, unprovenAdapters } from './lacking.ts';
import { matchBase, ownName } from './lm/base-name.ts';
import { holdOut } from './lm/hold-out.ts';
import type { LanguageModel } from './model.ts';
import { cutOpenings } from './openings.ts';
import { modelJudges } from './planned-judges.ts';
import { openingsConfig, refuseSmallBudget } from './planned-spending.ts';
import type { Progress } from './progress.ts';
import { renderPrompts, renderSuites, type SuitePrompts } from './rendered-prompts.ts';
import { isBegun } from './run-document.ts';
import type { Scorer } from './scorer.ts';
import type { Suite, SuiteItem } from './suite.ts';
import type { TrainingRow } from './trainer.ts';

/** Everything an audit will do, checked before the first step of it. */
export interface Plan {
  readonly suites: readonly Suite[];
  /** Prompts that are in no suite, on whose answers the refusal tokens are chosen; null: the harm suite's own. */
  readonly heldOut: readonly SuiteItem[] | null;
  /** What each arm that trains is shown, in order. */
  readonly rows: ReadonlyMap<string, readonly TrainingRow[]>;
  /** The untouched model's own: what adapters are trained on. */
  readonly baseFingerprint: string;
  /** What the models run on. */
  readonly device: LanguageModel['device'];
  readonly memory: LanguageModel['memory'];
  /** Of harm, and of meanings by a model, with what they run on. */
  readonly judges: readonly Pick<Scorer<unknown>, 'name' | 'device'>[];
  /** SHA-256 by name: models, adapters and every data file that is read. */
  readonly hashes: Readonly<Record<string, string>>;
  /** What does not stop the audit but has to be known when its summary is read. */
  readonly notes: readonly string[];
}

export interface PlanHooks {
  readonly onProgress?: (progress: Progress) => void;
  /** Stops what servers are asked. */
  readonly signal?: AbortSignal;
  /** True starts over; else a run that was begun goes on, and of what its budget must suffice for some is finished. */
  readonly fresh?: boolean | 'unless-unfinished';
}

/**
 * Reads data and models and checks that they fit together.
 * @throws AuditError with the problems of every file, adapter and prompt at once.
 */
export async function planAudit(
  config: Config,
  builtin: Builtin,
  models: ArmModels,
  { onProgress, signal, fresh = false }: PlanHooks = {},
): Promise<Plan> {
  const hashes: Record<string, string> = {};
  const attempts = createAttempts();
  const { planned, asked, heldOut, fetched } = await readInputs(config, builtin, attempts);
  const base = await attempts.run(() => models.open(null));
  try {
    const suites = asked && base ? await attempts.run(() => cutOpenings(asked, base)) : asked;
    if (base) hashes[modelName(config)] = base.fingerprint;
    const notes: string[] = (suites ?? []).flatMap((suite) => suite.notes ?? []);
    if (base) await attempts.run(() => refuseLacking(config, base, asked ?? []));
    const prompts = base && (await attempts.run(() => renderSuites(base, suites ?? [], onProgress)));
    if (prompts && (fresh === true || !isBegun(config.out)))
      await attempts.run(() => refuseSmallBudget(config, { base, prompts, heldOut }));
    const opened = new Map<string, LanguageModel>();
    for (const adapter of prompts ? adaptersOf(config) : []) {
      await attempts.run(async () => {
        const model = await models.open(adapter);
        hashes[adapter] = model.fingerprint;
        opened.set(adapter, model);
        notes.push(...otherBase(modelName(config), adapter, model));
        await refuseOtherTemplate(adapter, model, prompts!).finally(() => model.close());
      });
    }
    notes.push(...unprovenAdapters([...adaptersOf(config), ...(planned?.keys() ?? [])], models.server()));
    notes.push(...ungreedy(models.server()), ...sameModels(config.arms, opened));
    const judges: Plan['judges'][number][] = [];
    for (const { open, model } of base ? modelJudges(config, builtin, signal) : []) {
      await attempts.run(async () => {
        const { name, device, weights, close } = await open();
        judges.push({ name, ...(device && { device }) });
        if (weights !== undefined && model && 'path' in model) hashes[model.adapter ?? model.path] = weights;
        await close?.();
      });
    }
    attempts.finish();
    if (!planned || !suites || !base || !prompts)
      throw new Error('internal: a plan without problems lacks a part');
    const countTokens = async (conversations: readonly Conversation[]) =>
      (await base.render(conversations)).map(({ tokenCount }) => tokenCount);
    const rows = config.training.matchTokens ? await matchResponseTokens(planned, countTokens) : planned;
    await checkLengths(config, base, prompts, rows);
    for (const path of dataFiles(config)) hashes[path] = await sha256File(path);
    Object.assign(hashes, fetched);
    const weights = rows.size > 0 ? await servedWeights(config) : null;
    if (weights) hashes[weights.path] = weights.sha256;
    return {
      suites,
      heldOut,
      rows,
      baseFingerprint: weights?.sha256 ?? base.fingerprint,
      device: base.device,
      memory: base.memory,
      judges,
      hashes,
      notes,
    };
  } finally {
    await base?.close();
  }
}

/**
 * What needs no model: data sets are there, every file parses, every arm has rows to train on and some left beside
 * those it holds out. For before a download, which takes longer.
 * @throws AuditError with the problems of every file at once.
 */
export async function checkInputs(config: Config, builtin: Builtin): Promise<void> {
  const attempts = createAttempts();
  await readInputs(config, builtin, attempts);
  attempts.finish();
}

/** Parts are null where the user has something to mend. */
async function readInputs(config: Config, builtin: Builtin, attempts: Attempts) {
  const fetched = await attempts.run(() => fetchedData(dataFiles(config)));
  // A file that was not fetched has been told of.
  const read = <T>(step: () => T | Promise<T>) => (fetched ? attempts.run(step) : null);
  const data = await read(() => readTrainingData(config));
  const planned = data && (await read(() => planRows(config, data)));
  const asked = await read(() => builtin.suites(config.suites, config.seed));
  const heldOut = asked && (await read(() => readHeldOut(config, builtin, asked)));
  return { planned, asked, heldOut, fetched };
}

/** The rows of every arm that trains. @throws AuditError where one has too few. */
export function planRows(config: Config, data: TrainingData): ReadonlyMap<string, readonly TrainingRow[]> {
  const { steps, batchSize, gradientAccumulation, evaluation } = config.training;
  const planned = planArmRows(config.arms, data, {
    count: steps * batchSize * gradientAccumulation,
    seed: config.seed,
    systemPrompt: config.data.systemPrompt,
  });
  if (evaluation) for (const rows of planned.values()) holdOut(rows, { evaluation, seed: config.seed });
  return planned;
}

const adaptersOf = ({ arms }: Config): string[] => arms.flatMap(({ adapter }) => adapter ?? []);

/** @throws AuditError `data` when nothing is left beside the suite's own prompts. */
async function readHeldOut(
  config: Config,
  builtin: Builtin,
  asked: readonly Suite[],
): Promise<readonly SuiteItem[] | null> {
  const prompts = config.suites.harm?.refusalMargin?.prompts;
  if (!prompts) return null;
  const [suite] = await builtin.suites(openingsConfig(config)!.suites, config.seed);
  const own = new Set(asked.flatMap(({ items }) => items.map(({ judgePrompt }) => judgePrompt)));
  const left = suite!.items.filter(({ judgePrompt }) => !own.has(judgePrompt));
  if (left.length > 0) return left;
  throw new AuditError('data', `${prompts}: every prompt is in the harm suite too`, {
    hint: 'give other prompts, or leave suites.harm.refusalMargin.prompts out',
  });
}

/** For people. */
const nameOf = ({ kind, items }: Suite, at: number) => `${kind} ${items[at]!.id} (${items[at]!.condition})`;

/** An adapter that names another base than the one it is put on, where no hash tells. */
function otherBase(path: string, adapter: string, { unprovenBase }: LanguageModel): string[] {
  const match = unprovenBase === null ? 'same' : matchBase(unprovenBase, path);
  if (match === 'same') return [];
  if (match === 'quantised')
    return [
      `${ownName(adapter)}: the adapter was trained on ${unprovenBase} and is audited on ${ownName(path)}, whose weights differ by the rounding.`,
    ];
  return [
    `${ownName(adapter)}: the adapter names ${unprovenBase} as its base and is audited on ${ownName(path)}; nothing proves that it was trained on these weights.`,
  ];
}

/**
 * Arms are compared on equal prompts only: an adapter folder may bring a chat template of its own.
 * @throws AuditError `config` naming the first prompt that differs.
 */
async function refuseOtherTemplate(
  adapter: string,
  model: LanguageModel,
  prompts: readonly SuitePrompts[],
): Promise<void> {
  for (const { suite, sha256 } of prompts) {
    const own = await renderPrompts(model, suite.items);
    const different = suite.items.findIndex((_, at) => own.sha256(at) !== sha256(at));
    if (different < 0) continue;
    throw new AuditError(
      'config',
      `${adapter}: its chat template renders prompts differently from the base's`,
      {
        problems: [`first difference: ${nameOf(suite, different)}`],
        hint: 'arms are compared on equal prompts only: take the chat template out of the adapter folder, or put it into the base',
      },
    );
  }
}

const trainsOnPreference = ({ arms }: Config) =>
  arms.some(({ train }) => train !== null && train !== 'ordinary');
const trainsOnOrdinary = ({ arms }: Config) => arms.some(({ train }) => train === 'ordinary');

/** What the arms of a config train on. @throws AuditError `data`. */
export function readTrainingData(config: Config): TrainingData {
  const { preference, ordinary } = config.data;
  return {
    preference: trainsOnPreference(config) && preference ? readPreferences(preference) : [],
    ordinary: trainsOnOrdinary(config) && ordinary ? readResponses(ordinary) : [],
  };
}

/** Every file that is read; a config may name others. */
export function dataFiles(config: Config): string[] {
  const { data, suites, judges } = config;
  const files = [
    ...judges.map((judge) =>
      'promptFile' in judge ? judge.promptFile : judge.type === 'recorded' ? judge.file : undefined,
    ),
    trainsOnPreference(config) ? data.preference : undefined,
    trainsOnOrdinary(config) ? data.ordinary : undefined,
    suites.harm?.prompts,
    suites.harm?.refusalMargin?.prompts ?? undefined,
    suites.overRefusal?.prompts,
    suites.drift?.questions,
    suites.utility?.tasks,
  ];
  return files.filter((path) => path !== undefined);
}

/** @throws AuditError `data` naming every prompt and training row that leaves no room for an answer. */
async function checkLengths(
  config: Config,
  base: LanguageModel,
  prompts: readonly SuitePrompts[],
  rowsByArm: ReadonlyMap<string, readonly TrainingRow[]>,
): Promise<void> {
  const problems: string[] = [];
  const check = (tokenCount: number, limit: number, name: () => string) => {
    if (tokenCount >= limit) problems.push(`${name()}: ${tokenCount} tokens, room for ${limit - 1}`);
  };
  for (const { suite, tokenCounts } of prompts) {
    for (const [at, tokenCount] of tokenCounts.entries())
      check(tokenCount, base.contextLength, () => nameOf(suite, at));
  }
  const rows = new Map<string, Conversation>();
  for (const [arm, own] of rowsByArm) {
    for (const { id, messages } of own) rows.set(`training row ${id} of arm ${arm}`, messages.slice(0, -1));
  }
  const rendered = await base.render([...rows.values()]);
  const limit = Math.min(config.training.maxLength, base.contextLength);
  for (const [at, name] of [...rows.keys()].entries()) check(rendered[at]!.tokenCount, limit, () => name);
  if (problems.length === 0) return;
  throw new AuditError('data', `${problems.length} prompts are too long for ${base.name}`, {
    problems: firstProblems(problems),
    hint: 'shorten or leave out these rows, or raise training.maxLength if the context allows it',
  });
}
