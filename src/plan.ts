import { basename } from 'node:path';
import { matchResponseTokens, planArmRows, type TrainingData } from './arms.ts';
import type { Builtin, ModelSource } from './builtin.ts';
import type { Config } from './config.ts';
import type { Conversation } from './conversation.ts';
import { readPreferences, readResponses } from './dataset.ts';
import { AuditError } from './errors.ts';
import { sha256File } from './hash.ts';
import { repositoryOf } from './hub/name.ts';
import type { LanguageModel, RenderedPrompt } from './model.ts';
import type { Suite } from './suite.ts';
import type { TrainingRow } from './trainer.ts';

/** Everything an audit will do, checked before the first step of it. */
export interface Plan {
  readonly suites: readonly Suite[];
  /** What each arm that trains is shown, in order. */
  readonly rows: ReadonlyMap<string, readonly TrainingRow[]>;
  /** The untouched model's own: what adapters are trained on. */
  readonly baseFingerprint: string;
  /** What the models run on. */
  readonly device: LanguageModel['device'];
  readonly memory: LanguageModel['memory'];
  /** SHA-256 by name: models, adapters and every data file that is read. */
  readonly hashes: Readonly<Record<string, string>>;
  /** What does not stop the audit but has to be known when its summary is read. */
  readonly notes: readonly string[];
}

/**
 * Reads data and models and checks that they fit together.
 * @throws AuditError with the problems of every file, adapter and prompt at once.
 */
export async function planAudit(config: Config, builtin: Builtin): Promise<Plan> {
  const hashes: Record<string, string> = {};
  const attempts = createAttempts();
  const data = await attempts.run(() => readTrainingData(config));
  const suites = await attempts.run(() => builtin.suites(config.suites, config.seed));
  const base = await attempts.run(() => builtin.model(armSource(config, null)));
  try {
    if (base) hashes[config.model.path] = base.fingerprint;
    const notes = (suites ?? []).flatMap(({ notes = [] }) => notes);
    if (base) await attempts.run(() => refuseUnscorable(base, suites ?? []));
    const prompts = base && (await attempts.run(() => renderSuites(base, suites ?? [])));
    for (const source of prompts ? armSources(config) : []) {
      await attempts.run(async () => {
        const model = await builtin.model(source);
        hashes[source.adapter!] = model.fingerprint;
        notes.push(...otherBase(source, model));
        await refuseOtherTemplate(source, model, prompts!).finally(() => model.close());
      });
    }
    for (const source of base ? judgeSources(config) : []) {
      await attempts.run(async () => {
        const model = await builtin.model(source);
        hashes[source.adapter ?? source.path] = model.fingerprint;
        await model.close();
      });
    }
    attempts.finish();
    if (!data || !suites || !base || !prompts)
      throw new Error('internal: a plan without problems lacks a part');
    const planned = planArmRows(config.arms, data, {
      count: config.training.steps * config.training.batchSize * config.training.gradientAccumulation,
      seed: config.seed,
      systemPrompt: config.data.systemPrompt,
    });
    const countTokens = async (conversations: readonly Conversation[]) =>
      (await base.render(conversations)).map(({ tokenCount }) => tokenCount);
    const rows = config.training.matchTokens ? await matchResponseTokens(planned, countTokens) : planned;
    await checkLengths(config, base, prompts, rows);
    for (const path of dataFiles(config)) hashes[path] = await sha256File(path);
    return {
      suites,
      rows,
      baseFingerprint: base.fingerprint,
      device: base.device,
      memory: base.memory,
      hashes,
      notes,
    };
  } finally {
    await base?.close();
  }
}

/** The config's model under an adapter, or untouched. */
export function armSource({ model }: Config, adapter: string | null): ModelSource {
  return { ...model, adapter };
}

function armSources(config: Config): ModelSource[] {
  return config.arms.flatMap(({ adapter }) => (adapter === null ? [] : [armSource(config, adapter)]));
}

function judgeSources({ judges, suites }: Config): ModelSource[] {
  const entailment = suites.drift?.semanticEntropy?.judge;
  return [
    ...judges.flatMap((judge) => ('model' in judge ? [judge.model] : [])),
    ...(entailment ? [entailment] : []),
  ];
}

/** A prompt of a suite as the untouched model reads it. */
interface SuitePrompt extends RenderedPrompt {
  /** For people: its suite, item and condition. */
  readonly name: string;
  readonly messages: Conversation;
}

async function renderSuites(base: LanguageModel, suites: readonly Suite[]): Promise<SuitePrompt[]> {
  const asked = suites.flatMap(({ kind, items }) =>
    items.map(({ id, condition, messages }) => ({ name: `${kind} ${id} (${condition})`, messages })),
  );
  const rendered = await base.render(asked.map(({ messages }) => messages));
  return asked.map((prompt, at) => ({ ...prompt, ...rendered[at]! }));
}

/** Multiple choice needs likelihoods, which not everybody who runs a model gives. @throws AuditError `unsupported`. */
function refuseUnscorable({ name, loglikelihood }: LanguageModel, suites: readonly Suite[]): void {
  const count = suites.flatMap(({ items }) => items).filter(({ key }) => key?.choices).length;
  if (loglikelihood || count === 0) return;
  throw new AuditError('unsupported', `${name}: gives no likelihoods, and ${count} questions have choices`, {
    hint: 'suites.utility.tasks: leave out the multiple choice, or run the model with the embedded engine',
  });
}

/** A folder's or a repository's own name, without where it lies. */
const nameOf = (path: string) => basename(repositoryOf(path));

/** An adapter that names another base than the one it is put on, where no hash tells. */
function otherBase({ path, adapter }: ModelSource, { unprovenBase }: LanguageModel): string[] {
  if (unprovenBase === null || nameOf(unprovenBase) === nameOf(path)) return [];
  return [
    `${nameOf(adapter!)}: the adapter names ${unprovenBase} as its base and is audited on ${nameOf(path)}; nothing proves that it was trained on these weights.`,
  ];
}

/**
 * Arms are compared on equal prompts only: an adapter folder may bring a chat template of its own.
 * @throws AuditError `config` naming the first prompt that differs.
 */
async function refuseOtherTemplate(
  { adapter }: ModelSource,
  model: LanguageModel,
  prompts: readonly SuitePrompt[],
): Promise<void> {
  const own = await model.render(prompts.map(({ messages }) => messages));
  const different = prompts.find(({ sha256 }, at) => own[at]!.sha256 !== sha256);
  if (different) {
    throw new AuditError(
      'config',
      `${adapter}: its chat template renders prompts differently from the base's`,
      {
        problems: [`first difference: ${different.name}`],
        hint: 'arms are compared on equal prompts only: take the chat template out of the adapter folder, or put it into the base',
      },
    );
  }
}

const trainsOnPreference = ({ arms }: Config) =>
  arms.some(({ train }) => train !== null && train !== 'ordinary');
const trainsOnOrdinary = ({ arms }: Config) => arms.some(({ train }) => train === 'ordinary');

function readTrainingData(config: Config): TrainingData {
  const { preference, ordinary } = config.data;
  return {
    preference: trainsOnPreference(config) && preference ? readPreferences(preference) : [],
    ordinary: trainsOnOrdinary(config) && ordinary ? readResponses(ordinary) : [],
  };
}

/** Every file that is read; a config may name others. */
function dataFiles(config: Config): string[] {
  const { data, suites } = config;
  const files = [
    trainsOnPreference(config) ? data.preference : undefined,
    trainsOnOrdinary(config) ? data.ordinary : undefined,
    suites.harm?.prompts,
    suites.overRefusal?.prompts,
    suites.drift?.questions,
    suites.utility?.tasks,
  ];
  return files.filter((path) => path !== undefined);
}

/** Runs steps that do not depend on each other, so that the user learns what is wrong with all of them. */
function createAttempts() {
  const errors: AuditError[] = [];
  return {
    /** The step's result, or null when the user has something to mend. */
    run: async <T>(step: () => T | Promise<T>): Promise<T | null> => {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof AuditError) || error.code === 'interrupted') throw error;
        errors.push(error);
        return null;
      }
    },
    /** @throws AuditError with everything collected. */
    finish: () => {
      const [first] = errors;
      if (!first) return;
      if (errors.length === 1) throw first;
      throw new AuditError(first.code, `${errors.length} things have to be mended before this can run`, {
        problems: errors.flatMap(({ message, problems, hint }) => [
          hint ? `${message} (${hint})` : message,
          ...problems.map((problem) => `  ${problem}`),
        ]),
      });
    },
  };
}

const listed = 20;

/** @throws AuditError `data` naming every prompt and training row that leaves no room for an answer. */
async function checkLengths(
  config: Config,
  base: LanguageModel,
  prompts: readonly SuitePrompt[],
  rowsByArm: ReadonlyMap<string, readonly TrainingRow[]>,
): Promise<void> {
  const problems: string[] = [];
  const check = (name: string, { tokenCount }: RenderedPrompt, limit: number) => {
    if (tokenCount >= limit) problems.push(`${name}: ${tokenCount} tokens, room for ${limit - 1}`);
  };
  for (const prompt of prompts) check(prompt.name, prompt, base.contextLength);
  const rows = new Map<string, Conversation>();
  for (const [arm, own] of rowsByArm) {
    for (const { id, messages } of own) rows.set(`training row ${id} of arm ${arm}`, messages.slice(0, -1));
  }
  const rendered = await base.render([...rows.values()]);
  const limit = Math.min(config.training.maxLength, base.contextLength);
  for (const [at, name] of [...rows.keys()].entries()) check(name, rendered[at]!, limit);
  if (problems.length === 0) return;
  const more = problems.length - listed;
  throw new AuditError('data', `${problems.length} prompts are too long for ${base.name}`, {
    problems: more > 0 ? [...problems.slice(0, listed), `and ${more} more`] : problems,
    hint: 'shorten or leave out these rows, or raise training.maxLength if the context allows it',
  });
}
