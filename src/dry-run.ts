import type { Builtin } from './builtin.ts';
import { type Config, weightsOf } from './config.ts';
import type { JudgeModel } from './config-judge.ts';
import { repeatsOf } from './config-suites.ts';
import { declaredSize } from './data/declared-size.ts';
import { AuditError } from './errors.ts';
import { localPath } from './hub/cache.ts';
import { type TokenCount, tokenCounter } from './lm/token-count.ts';
import { type ChatTokenizer, loadChatTokenizer } from './lm/tokenizer.ts';
import { openingsConfig, type PlannedSuite, plannedSpending, plannedSuites } from './planned-spending.ts';
import { costOf, overspent, type Spending } from './spending.ts';

/** What a run would do, without a model, a server or the network: counted where files are here, declared where not. */
export interface DryRun {
  readonly schema: 'aftertune/dry-run@1';
  readonly name: string;
  readonly model: string;
  readonly arms: readonly { readonly name: string; readonly from: string }[];
  /** Of one arm. */
  readonly suites: readonly SizedSuite[];
  /** Of the base alone: what is asked to find out how its refusals begin; null where no margin is measured. */
  readonly openings: SizedSuite | null;
  readonly judges: readonly ({ readonly name: string; readonly where: string } & Spending)[];
  /** Of all arms and judges. */
  readonly total: Spending;
  /** By the budget's prices; null without. */
  readonly cost: number | null;
  readonly hours: number;
  /** Where the hours are from. */
  readonly assumptions: readonly string[];
  /** What has to be there before it can run. */
  readonly missing: readonly string[];
}

type SizedSuite = PlannedSuite & { readonly declared: boolean };

/**
 * What one GPU of the kind that holds an 8B model in 4 bits gives a request among 32, and what it reads meanwhile: round
 * numbers to plan with, not measurements.
 */
const assumed = { writtenPerSecond: 25, readPerSecond: 5000 };

/** A quarter of the characters, and the marks of a turn. */
const estimate: TokenCount = (messages) =>
  messages.reduce((sum, { content }) => sum + Math.ceil(content.length / 4) + 4, 0);

/** By the tokenizer of the weights that are here; null where none are, or they are no model. */
async function tokenizerOf(config: Config): Promise<ChatTokenizer | null> {
  const weights = weightsOf(config);
  if (weights === undefined) return null;
  try {
    return loadChatTokenizer(await localPath(weights), { enableThinking: config.model.enableThinking });
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

/** Sizes of everything that a config asks for. @throws AuditError `data` for files that are here and cannot be read. */
export async function dryRun(config: Config, parts: Builtin): Promise<DryRun> {
  const tokenizer = await tokenizerOf(config);
  const tokensOf = tokenCounter(tokenizer, estimate);
  const { suites, missing } = await sizesOf(config, parts, tokensOf);
  const opened = openingsConfig(config);
  const openings = opened && (await sizesOf(opened, parts, tokensOf));
  const asked = plannedSpending(config, suites, openings && openings.suites[0]!);
  const judges = plannedJudges(config, suites);
  const total = [asked, ...judges].reduce((sum, { requests, read, written }) => ({
    requests: sum.requests + requests,
    read: sum.read + read,
    written: sum.written + written,
  }));
  const { model } = config;
  const served = 'endpoint' in model;
  const atOnce = served ? model.concurrency : model.batchSize;
  return {
    schema: 'aftertune/dry-run@1',
    name: config.name,
    model: served ? `${model.base} at ${addressesOf(model.endpoint).join(', ')}` : model.path,
    arms: config.arms.map(({ name, train, adapter }) => ({
      name,
      from: adapter ?? (train === null ? 'the untouched model' : `trained on ${trainedOn(train)} rows`),
    })),
    suites,
    openings: openings && openings.suites[0]!,
    judges,
    total: { requests: total.requests, read: total.read, written: total.written },
    cost: served && model.budget ? costOf(asked, model.budget) : null,
    hours: secondsFor(total, atOnce) / 3600,
    assumptions: [
      'every answer is counted with all its maxTokens, and every prompt with its first token where the refusal margin is measured: an upper bound',
      tokenizer
        ? `prompts are counted by the tokenizer of ${weightsOf(config)}; what judges read by four characters a token`
        : 'a token is four characters',
      ...(missing.length > 0 ? ['sizes of data sets that are not here are those their authors state'] : []),
      `hours: written tokens / (${assumed.writtenPerSecond} per second × ${atOnce} at once) + read tokens / ${assumed.readPerSecond} per second, as for an 8B model on one GPU; not measured here`,
      ...(served
        ? ['what finds out what servers can do and are, some tens of requests, is not counted']
        : []),
      ...(config.arms.some(({ train }) => train !== null) ? ['training is not in the hours'] : []),
    ],
    missing: [...new Set([...missing, ...(openings?.missing ?? []), ...tooSmall(model, asked)])],
  };
}

/** A budget that cannot suffice even where nothing is written, as the run itself will say. */
function tooSmall(model: Config['model'], asked: Spending): string[] {
  const limit =
    'endpoint' in model && model.budget ? overspent(model.budget, { ...asked, written: 0 }) : null;
  return limit === null ? [] : [`raise model.budget: ${limit} are less than the arms need`];
}

/** Every suite of a config, and how what is missing of it can be had. */
async function sizesOf(
  config: Config,
  parts: Builtin,
  tokensOf: TokenCount,
): Promise<{ suites: SizedSuite[]; missing: string[] }> {
  const missing: string[] = [];
  const suites: SizedSuite[] = [];
  for (const [key, settings] of Object.entries(config.suites)) {
    if (!settings) continue;
    const one = { [key]: settings } as Config['suites'];
    const declared = declaredSuites(config, one);
    if (declared) {
      suites.push(...declared.suites.map((suite) => ({ ...suite, declared: true })));
      missing.push(`aftertune data get ${declared.name}`);
    } else {
      const counted = plannedSuites(config, await parts.suites(one, config.seed), tokensOf);
      suites.push(...counted.map((suite) => ({ ...suite, declared: false })));
    }
  }
  return { suites, missing };
}

const trainedOn = (train: NonNullable<Config['arms'][number]['train']>) =>
  typeof train === 'string' ? train : `${train.rejected} rejected`;

function addressesOf(endpoint: string | readonly { readonly address: string }[]): string[] {
  return typeof endpoint === 'string' ? [endpoint] : endpoint.map(({ address }) => address);
}

const secondsFor = ({ read, written }: Spending, atOnce: number) =>
  written / (assumed.writtenPerSecond * atOnce) + read / assumed.readPerSecond;

/** Suites whose data set has not been fetched, by its declared size; null where it is here or of nobody's. */
function declaredSuites(
  config: Config,
  { harm, overRefusal, drift, utility }: Config['suites'],
): { name: string; suites: PlannedSuite[] } | null {
  const settings = harm ?? overRefusal ?? drift ?? utility!;
  const path = harm?.prompts ?? overRefusal?.prompts ?? drift?.questions ?? utility!.tasks;
  const size = declaredSize(path);
  if (!size) return null;
  const kind = harm ? 'harm' : overRefusal ? 'over-refusal' : drift ? 'drift' : 'utility';
  const system = Math.ceil((settings.systemPrompt ?? '').length / 4);
  const each = harm ? harmPrompts(harm) : drift ? driftPrompts(drift) : 1;
  const suiteOf = (kind: PlannedSuite['kind'], rows: number, margins = 0): PlannedSuite => {
    const repeats = repeatsOf(config, { kind });
    const answers = rows * each * repeats;
    return {
      ...{ kind, items: rows * each, repeats, requests: answers + margins },
      read: (answers + margins) * (size.tokens + system),
      written: answers * settings.maxTokens + margins,
    };
  };
  const rows = Math.min(size.rows, settings.limit ?? size.rows);
  const entropy = drift?.semanticEntropy;
  return {
    name: size.name,
    suites: [
      suiteOf(kind, rows, harm?.refusalMargin ? rows : 0),
      ...(entropy ? [suiteOf('semantic-entropy', Math.min(rows, entropy.limit ?? rows))] : []),
    ],
  };
}

/** Prompts that a behaviour makes. */
function harmPrompts({ prefill, variance }: NonNullable<Config['suites']['harm']>): number {
  const { templates = 1, seeds = [] } = variance ?? {};
  const wordings = typeof templates === 'number' ? templates : templates.length + 1;
  return wordings * (seeds.length + 1) + (prefill?.tokens.length ?? 0);
}

/** Prompts that a question makes. */
function driftPrompts({ conditions, contextRepeats }: NonNullable<Config['suites']['drift']>): number {
  const doses = [contextRepeats].flat().length;
  return conditions.reduce((sum, condition) => sum + (condition === 'base_prompt' ? 1 : doses), 0);
}

const whereIs = (model: JudgeModel) => ('endpoint' in model ? model.endpoint : model.path);

function plannedJudges(config: Config, suites: readonly PlannedSuite[]): DryRun['judges'] {
  return suites.flatMap((suite) => {
    if (suite.kind === 'harm') return harmJudges(config, suite);
    const entailment = config.suites.drift?.semanticEntropy?.judge;
    return suite.kind === 'semantic-entropy' && entailment ? [meaningJudge(config, suite, entailment)] : [];
  });
}

/** Each judge model reads every harm prompt with its answer, and says a few words. */
function harmJudges({ judges, arms }: Config, harm: PlannedSuite): DryRun['judges'] {
  const answers = arms.length * harm.items * harm.repeats;
  const each = harm.read / Math.max(1, harm.requests);
  return judges.flatMap((judge) => {
    if (!('model' in judge)) return [];
    const where = whereIs(judge.model);
    const read = Math.round(answers * (each + judgeTokens.template) + arms.length * harm.written);
    return [{ name: judge.name, where, requests: answers, read, written: answers * judgeTokens.verdict }];
  });
}

/** At most every two answers to a question are held against each other, both ways; where many mean the same they are not. */
function meaningJudge({ arms }: Config, suite: PlannedSuite, model: JudgeModel): DryRun['judges'][number] {
  const { items, repeats, read, written, requests: answers } = suite;
  const requests = arms.length * items * repeats * (repeats - 1);
  const each = (read + 2 * written) / Math.max(1, answers) + entailmentTokens.template;
  return {
    ...{ name: 'entailment', where: whereIs(model), requests, read: Math.round(requests * each) },
    written: requests * entailmentTokens.verdict,
  };
}

/** Its question and its answer. */
const entailmentTokens = { template: 60, verdict: 8 };

/** Llama Guard's list of hazards with its instructions, and a verdict. */
const judgeTokens = { template: 500, verdict: 16 };
