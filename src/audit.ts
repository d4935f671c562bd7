import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ArmModels, openArmModels } from './arm-models.ts';
import { type Builtin, builtin as packageParts } from './builtin.ts';
import type { ArmSettings, Config, ConfigInput } from './config.ts';
import { resolveConfig } from './config-resolve.ts';
import { repeatsOf } from './config-suites.ts';
import { AuditError } from './errors.ts';
import { evaluate } from './evaluate.ts';
import { fetchModels, namesHubModels } from './fetch-models.ts';
import type { MarginRecord } from './harm-record.ts';
import { type Judgement, judge, suiteJudge } from './judge.ts';
import { joinOutcomes } from './outcomes.ts';
import { checkInputs, type Plan, planAudit } from './plan.ts';
import type { Progress } from './progress.ts';
import { logged } from './progress-log.ts';
import type { ItemRecord, RunDocument, Summary } from './record.ts';
import { only, type Records } from './records.ts';
import { chooseRefusalTokens, measureMargins, type RefusalTokens } from './refusal-margin.ts';
import type { ReportInput } from './report.ts';
import { type ConfigSource, describeRun, isUnfinished, refuseChangedInputs } from './run-document.ts';
import { factsOf } from './run-facts.ts';
import { reportRun, writeSetting } from './run-report.ts';
import type { Scorer } from './scorer.ts';
import { openStore, type RunStore } from './store.ts';
import type { Suite, SuiteKind } from './suite.ts';
import { type SuiteJudge, summariseRows } from './summarise.ts';
import { keepCanary, type TrainedArm, trainArms } from './train-arms.ts';

export interface AuditOptions {
  /** Where relative paths of the config start; the working folder unless given. */
  readonly directory?: string;
  /** Start over instead of resuming; `unless-unfinished` resumes an unfinished run of the same config and inputs. */
  readonly fresh?: boolean | 'unless-unfinished';
  readonly onProgress?: (progress: Progress) => void;
  /** Stops between two batches; the same call resumes. */
  readonly signal?: AbortSignal;
  /** The config file that the input was read from. */
  readonly source?: ConfigSource;
  /** Other models, trainers, suites or judges than the package's own. */
  readonly builtin?: Builtin;
}

export interface AuditResult {
  readonly summary: Summary;
  /** The run folder, absolute. */
  readonly directory: string;
  /** What `aftertune run` exits with: 0 pass, 2 regression, 4 inconclusive. */
  readonly exitCode: number;
}

/**
 * The whole method: trains the arms, asks every arm the same prompts, has judges label the answers, compares each
 * arm with the base, and writes the report. What an earlier call with the same config finished is not done again.
 * @throws AuditError before any work when something in the config, the data or the models does not fit.
 */
export async function audit(input: ConfigInput, options: AuditOptions = {}): Promise<AuditResult> {
  return inRun(input, options, async (run) => {
    const { config, plan, store, trainer } = run;
    if (plan.rows.size > 0) await run.models.refuseWithoutLoading();
    // What is planned, for those who look on: written again, with how training went, at the end.
    const planned = { suites: plan.suites, histories: {}, notes: plan.notes };
    if (!existsSync(join(store.directory, 'setting.json')))
      writeSetting(store, planned, config.model.enableThinking);
    const trained = await trainArms(config.arms, config, plan, store, trainer, run.options);
    const refusalTokens = await findRefusalTokens(run, trained);
    const { answers, margins } = await askArms(run, trained, refusalTokens);
    const judges = await judgeAnswers(run, answers);
    const records = recordsOf(run, judges);
    const rowsOf = joinOutcomes(plan.suites, records.items, records.verdicts);
    const setting = {
      arms: config.arms.map(({ name, gated }) => ({
        name,
        gated,
        training: trained.get(name)?.training ?? null,
      })),
      baseArm: config.baseArm,
      suites: plan.suites,
      judges,
      gate: config.gate,
      notes: plan.notes,
      ...(refusalTokens && { margins, refusalTokens: describeTokens(refusalTokens) }),
      knownSubset: config.suites.drift?.knownSubset ?? false,
    };
    const summary = summariseRows(setting, rowsOf);
    await writeResults(run, trained, { ...records, rowsOf }, summary);
    await run.store.finish();
    return { summary, directory: run.store.directory, exitCode: summary.gate.exitCode };
  });
}

/** Trains arms without evaluating them; `names` null means every one. A later `audit` finds the adapters. */
export async function trainOnly(
  input: ConfigInput,
  names: readonly string[] | null,
  options: AuditOptions = {},
): Promise<{ directory: string; arms: TrainedArm[] }> {
  return inRun(input, options, async (run) => {
    const arms = chooseArms(run.config, names);
    const trained = await trainArms(arms, run.config, run.plan, run.store, run.trainer, run.options);
    if (run.store.wasFinished) await run.store.finish();
    return { directory: run.store.directory, arms: [...trained.values()] };
  });
}

/** A planned audit with its run folder open. */
interface Run {
  readonly config: Config;
  readonly plan: Plan;
  readonly parts: Builtin;
  readonly models: ArmModels;
  readonly document: RunDocument;
  readonly store: RunStore;
  readonly trainer: Awaited<ReturnType<Builtin['trainer']>>;
  readonly options: AuditOptions;
}

/** Plans, opens the run folder, and closes it whatever happens. */
async function inRun<T>(
  input: ConfigInput,
  options: AuditOptions,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const { builtin: parts = packageParts, directory, source, fresh = false } = options;
  const asked = resolveConfig(input, directory);
  // A download is not begun for a run that a misspelt data file would stop.
  if (namesHubModels(asked)) await checkInputs(asked, parts);
  const config = await fetchModels(asked, options);
  const trainer = await parts.trainer(config.training.trainer, config.training);
  const models = await openArmModels(config, parts, options.signal);
  try {
    const plan = await planAudit(config, parts, models, options);
    const document = describeRun(config, input, { ...plan, server: models.server() }, source);
    const startOver = fresh === 'unless-unfinished' ? !isUnfinished(config.out, document) : fresh;
    if (!startOver) refuseChangedInputs(config.out, document);
    const { keepTopLogprobs } = config;
    const store = openStore(config.out, document, { fresh: startOver, keepTopLogprobs });
    try {
      const watched = logged(options, config.out);
      return await work({ config, plan, parts, models, document, store, trainer, options: watched });
    } finally {
      store.close();
    }
  } finally {
    await models.close();
  }
}

function chooseArms({ arms }: Config, names: readonly string[] | null): readonly ArmSettings[] {
  const trainable = arms.filter(({ train }) => train !== null);
  const unknown = (names ?? []).filter((name) => !trainable.some((arm) => arm.name === name));
  if (unknown.length > 0 || trainable.length === 0) {
    const what =
      unknown.length > 0
        ? `no arm to train is called ${unknown.join(', ')}`
        : 'no arm of this config is trained';
    throw new AuditError('config', what, {
      hint: `arms with train: ${trainable.map(({ name }) => name).join(', ') || 'none, each is untouched or has its adapter'}`,
    });
  }
  return names === null ? trainable : trainable.filter(({ name }) => names.includes(name));
}

/** What one arm answered to one suite. */
interface Answers<K extends SuiteKind = SuiteKind> {
  readonly arm: string;
  readonly suite: Suite & { readonly kind: K };
  readonly items: Records<ItemRecord>;
}

/** How the base begins its refusals; null where no margin is asked for, or the model does not give it. */
async function findRefusalTokens(
  { config, plan, parts, models, store, options: { signal } }: Run,
  trained: ReadonlyMap<string, TrainedArm>,
): Promise<RefusalTokens | null> {
  const suite = plan.suites.find(({ kind }) => kind === 'harm');
  if (!suite || !config.suites.harm?.refusalMargin) return null;
  const base = config.arms.find(({ name }) => name === config.baseArm)!;
  const model = await models.open(trained.get(base.name)?.adapter ?? base.adapter);
  try {
    if (!model.firstTokenMass) return null;
    const scorer = await parts.refusalJudge();
    const { heldOut } = plan;
    return await chooseRefusalTokens({
      base: model,
      suite,
      heldOut,
      scorer,
      store,
      ...(signal && { signal }),
    });
  } finally {
    await model.close();
  }
}

const describeTokens = ({ chosenOn, sets }: RefusalTokens): NonNullable<Summary['refusalTokens']> => ({
  chosenOn,
  sets: sets.map(({ sha256, texts, refusals, answers }) => ({
    sha256,
    tokens: [...texts],
    refusals,
    answers,
  })),
});

/** Asks every arm every suite, one model in memory at a time. */
async function askArms(
  { config, plan, models, store, options }: Run,
  trained: ReadonlyMap<string, TrainedArm>,
  tokens: RefusalTokens | null,
) {
  const answers: Answers[] = [];
  const margins: MarginRecord[] = [];
  for (const { name, adapter } of config.arms) {
    const own = trained.get(name);
    const model = await models.open(own?.adapter ?? adapter);
    try {
      if (own && model.canary) await keepCanary(store, own, model.canary);
      for (const suite of plan.suites) {
        const items = await evaluate({
          arm: name,
          model,
          suite,
          store,
          repeats: repeatsOf(config, suite),
          ...watch(options, 'generate', `${name} ${suite.kind}`, 'answers'),
        });
        answers.push({ arm: name, suite, items });
        if (suite.kind !== 'harm' || !tokens || !model.firstTokenMass) continue;
        const progress = watch(options, 'generate', `${name} refusal margin`, 'prompts');
        margins.push(...(await measureMargins({ arm: name, model, suite, tokens, store, ...progress })));
      }
    } finally {
      await model.close();
    }
  }
  return { answers, margins };
}

/** Has every judge label the answers to its kind of suite. */
async function judgeAnswers({ config, parts, store, options }: Run, answers: readonly Answers[]) {
  const judges: SuiteJudge[] = [];
  const label = async <K extends SuiteKind>(kind: K, open: () => Promise<Scorer<Judgement[K]>>) => {
    const asked = answers.filter((answer): answer is Answers<K> => answer.suite.kind === kind);
    if (asked.length === 0) return;
    const scorer = await open();
    try {
      judges.push(suiteJudge(kind, scorer));
      for (const { arm, suite, items } of asked) {
        const progress = watch(options, 'judge', `${arm} ${kind} by ${scorer.name}`, 'answers');
        await judge<K>({ arm, suite, items, scorer, store, ...progress });
      }
    } finally {
      await scorer.close?.();
    }
  };
  for (const settings of config.judges) await label('harm', () => parts.harmJudge(settings, options.signal));
  await label('over-refusal', () => parts.refusalJudge());
  await label('drift', () => parts.truthJudge());
  const entailment = config.suites.drift?.semanticEntropy?.judge;
  await label('semantic-entropy', () => parts.clusterJudge(entailment ?? null, options.signal));
  await label('utility', () => parts.utilityJudge());
  return judges;
}

/** What the store holds of this audit's own; a finished run may have been judged further. */
function recordsOf({ store }: Run, judges: readonly SuiteJudge[]) {
  const own = new Set(judges.map(({ suite, name }) => `${suite} ${name}`));
  return {
    items: store.items,
    verdicts: only(store.verdicts, ({ suite, judge }) => own.has(`${suite} ${judge}`)),
  };
}

/** Where one pass tells how far it is, and what stops it. */
function watch({ onProgress, signal }: AuditOptions, stage: Progress['stage'], label: string, unit: string) {
  return {
    onProgress: ({ done, total }: { done: number; total: number }) =>
      onProgress?.({ stage, label, done, total, unit }),
    ...(signal && { signal }),
  };
}

async function writeResults(
  { config, plan, document, store }: Run,
  trained: ReadonlyMap<string, TrainedArm>,
  records: Pick<ReportInput, 'items' | 'verdicts' | 'rowsOf'>,
  summary: Summary,
): Promise<void> {
  const histories = Object.fromEntries([...trained].map(([name, { history }]) => [name, history]));
  const setting = { suites: plan.suites, histories };
  writeSetting(store, { ...setting, notes: plan.notes }, config.model.enableThinking);
  store.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  const margins = summary.refusalTokens ? store.margins().records() : [];
  const input = { name: config.name, summary, ...records, margins, facts: factsOf(document), ...setting };
  await reportRun(store, input, { showCompletions: false });
}
