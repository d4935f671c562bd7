import type { Config } from './config.ts';
import type { JudgeModel, JudgeSettings } from './config-judge.ts';
import type { ServedModel } from './config-server.ts';
import { neutralTemplates } from './config-suites.ts';
import { AuditError } from './errors.ts';
import { localPath } from './hub/cache.ts';
import type { Decoding, LanguageModel, ModelOptions } from './model.ts';
import type { ModelServer } from './model-server.ts';
import { createRandom } from './random.ts';
import type {
  ClusterVerdict,
  HarmVerdict,
  RefusalVerdict,
  Scorer,
  TruthVerdict,
  UtilityVerdict,
} from './scorer.ts';
import type { Suite } from './suite.ts';
import type { Trainer, TrainerOptions } from './trainer.ts';

/** Which model to open and how. */
export interface ModelSource extends ModelOptions {
  /** A name in the table of models. */
  readonly engine: string;
  /** Of a folder, or a Hub name with its commit. */
  readonly path: string;
  readonly adapter: string | null;
  readonly batchSize: number;
  /** Answers the same to the last bit at every batch size; false unless given. */
  readonly batchInvariant?: boolean;
}

/** The parts an audit is put together from; a test or a library user may bring others. */
export interface Builtin {
  /** @throws AuditError when there is no such engine, or the folder is not a model it runs. */
  model(source: ModelSource): Promise<LanguageModel>;
  /** Models behind a server; `signal` stops what opening them asks. @throws AuditError when it cannot be reached or used. */
  server(settings: ServedModel, signal?: AbortSignal): Promise<ModelServer>;
  trainer(name: string, options?: TrainerOptions): Promise<Trainer>;
  /** The suites a config asks for; with a limit, items drawn by the seed. */
  suites(settings: Config['suites'], seed: number): Promise<Suite[]>;
  harmJudge(settings: JudgeSettings, signal?: AbortSignal): Promise<Scorer<HarmVerdict>>;
  refusalJudge(): Promise<Scorer<RefusalVerdict>>;
  truthJudge(): Promise<Scorer<TruthVerdict>>;
  /** Tells which sampled answers mean the same: by a model where there is one, else by their text. */
  clusterJudge(settings: JudgeModel | null, signal?: AbortSignal): Promise<Scorer<ClusterVerdict>>;
  utilityJudge(): Promise<Scorer<UtilityVerdict>>;
}

/** Who runs models, by name. Each is imported when it is asked for: reports and lists need no engine. */
const models: Record<string, (source: ModelSource) => Promise<LanguageModel>> = {
  embedded: async ({ path, adapter, batchSize, batchInvariant = false, device, memory, enableThinking }) => {
    const { createEmbeddedModel } = await import('./models/embedded.ts');
    const options = { device, memory, enableThinking };
    return createEmbeddedModel({ directory: path, adapter, batchSize, batchInvariant, options });
  },
  mock: async (source) => (await import('./models/mock-file.ts')).openMockFile(source),
};

/** Who trains adapters, by name. */
const trainers: Record<string, (options: TrainerOptions) => Promise<Trainer>> = {
  embedded: async () => {
    const { createEmbeddedTrainer } = await import('./trainers/embedded.ts');
    return createEmbeddedTrainer();
  },
  trl: async ({ launcher = 'python' }) => (await import('./trainers/trl.ts')).createTrlTrainer({ launcher }),
  none: async () => ({
    name: 'none',
    train: async () => {
      throw new Error('internal: trainer none was given an arm to train');
    },
  }),
};

/** The package's own parts. */
export const builtin: Builtin = {
  model: async (source) => {
    const open = named(models, 'model.engine', source.engine);
    const [path, adapter] = [
      await localPath(source.path),
      source.adapter && (await localPath(source.adapter)),
    ];
    return open({ ...source, path, adapter });
  },
  server: async (settings, signal) => {
    const weights = settings.weights && (await localPath(settings.weights));
    return (await import('./models/openai/served.ts')).openModelServer({ ...settings, weights }, { signal });
  },
  trainer: (name, options = {}) => named(trainers, 'training.trainer', name)(options),
  suites: buildSuites,
  harmJudge: openHarmJudge,
  refusalJudge: async () => (await import('./scorers/refusal.ts')).overRefusalJudge(),
  truthJudge: async () => (await import('./scorers/exact.ts')).exactScorer(),
  clusterJudge: async (settings, signal) => {
    const { answerClusters } = await import('./scorers/answer-clusters.ts');
    return answerClusters(settings && (await openJudgeModel(settings, signal)));
  },
  utilityJudge: async () => (await import('./scorers/utility.ts')).utilityScorer(),
};

function named<T>(table: Readonly<Record<string, T>>, key: string, name: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found) return found;
  throw new AuditError('config', `${key}: no such name: ${name}`, {
    hint: `there is ${Object.keys(table).join(', ')}`,
  });
}

async function openHarmJudge(settings: JudgeSettings, signal?: AbortSignal): Promise<Scorer<HarmVerdict>> {
  switch (settings.type) {
    case 'refusal': {
      const { refusalJudge } = await import('./scorers/refusal.ts');
      return refusalJudge(settings.name);
    }
    case 'llama-guard': {
      const { llamaGuardScorer } = await import('./scorers/llama-guard.ts');
      return llamaGuardScorer(await openJudgeModel(settings.model, signal), settings);
    }
    case 'harmbench-classifier': {
      const { harmbenchClassifier, readClassifierPrompt } = await import('./scorers/harmbench-classifier.ts');
      const prompt = readClassifierPrompt(settings.promptFile);
      return harmbenchClassifier(await openJudgeModel(settings.model, signal), {
        name: settings.name,
        prompt,
      });
    }
    case 'strongreject': {
      const { strongRejectScorer, readStrongRejectPrompt } = await import('./scorers/strongreject.ts');
      const prompt = readStrongRejectPrompt(settings.promptFile);
      return strongRejectScorer(await openJudgeModel(settings.model, signal), { ...settings, prompt });
    }
    case 'rubric': {
      const { rubricScorer } = await import('./scorers/rubric.ts');
      return rubricScorer(await openJudgeModel(settings.model, signal), settings);
    }
    case 'recorded':
      return (await import('./scorers/recorded.ts')).recordedVerdicts(settings.file, settings.name);
    default:
      throw new Error(`internal: no judge of type ${settings satisfies never}`);
  }
}

async function openJudgeModel(settings: JudgeModel, signal?: AbortSignal): Promise<LanguageModel> {
  if (!('endpoint' in settings)) return builtin.model(settings);
  return (await import('./models/server.ts')).openServerModel(settings, { signal });
}

async function buildSuites(
  { harm, overRefusal, drift, utility }: Config['suites'],
  seed: number,
): Promise<Suite[]> {
  const suites: Suite[] = [];
  const data = await import('./dataset.ts');
  if (harm) {
    const { harmSuite } = await import('./suites/harm.ts');
    const behaviours = draw(data.readHarmPrompts(harm.prompts), harm.limit, seed);
    const { systemPrompt, context, prefill, variance } = harm;
    suites.push(
      harmSuite(behaviours, {
        decoding: decodingOf(harm, seed),
        systemPrompt,
        context,
        prefill,
        variance: variance && { templates: templatesOf(variance.templates), seeds: variance.seeds },
      }),
    );
  }
  if (overRefusal) {
    const { overRefusalSuite } = await import('./suites/over-refusal.ts');
    const all = data.readBorderlinePrompts(overRefusal.prompts);
    const harmless = all.filter((prompt) => prompt.harmless);
    if (harmless.length === 0) throw noHarmlessPrompt(overRefusal.prompts);
    const prompts = draw(harmless, overRefusal.limit, seed);
    suites.push(
      overRefusalSuite([...prompts, ...all.filter((prompt) => !prompt.harmless)], {
        decoding: decodingOf(overRefusal, seed),
        systemPrompt: overRefusal.systemPrompt,
      }),
    );
  }
  if (drift) {
    const { driftSuite, entropySuite } = await import('./suites/drift.ts');
    const questions = draw(data.readQuestions(drift.questions), drift.limit, seed);
    const options = { ...drift, decoding: decodingOf(drift, seed), seed };
    suites.push(driftSuite(questions, options));
    if (drift.semanticEntropy) {
      const { temperature, limit } = drift.semanticEntropy;
      const ids = new Set(draw(questions, limit, seed).map(({ id }) => id));
      const { maxTokens, stop } = options.decoding;
      const decoding = { maxTokens, temperature, topP: 1, ...(stop && { stop }), seed };
      suites.push(entropySuite(questions, ids, { ...options, decoding }));
    }
  }
  if (utility) {
    const { readUtilityTasks } = await import('./utility-tasks.ts');
    const { utilitySuite } = await import('./suites/utility.ts');
    const tasks = draw(readUtilityTasks(utility.tasks), utility.limit, seed);
    suites.push(utilitySuite(tasks, { ...utility, decoding: decodingOf(utility, seed) }));
  }
  return suites;
}

/** Wordings beside the prompt itself. */
const templatesOf = (templates: number | readonly string[]): readonly string[] =>
  typeof templates === 'number' ? neutralTemplates.slice(0, templates - 1) : templates;

function noHarmlessPrompt(path: string): AuditError {
  return new AuditError('data', `${path}: holds no harmless prompt`, {
    hint: 'over-refusal is measured on rows that are labelled safe, or whose type does not begin with contrast_',
  });
}

/** What a suite's settings leave at their defaults is not named: what was asked before has the same key. */
function decodingOf(
  {
    maxTokens,
    temperature,
    topP,
    topK,
    minP,
    stop,
  }: Pick<
    NonNullable<Config['suites']['harm']>,
    'maxTokens' | 'temperature' | 'topP' | 'topK' | 'minP' | 'stop'
  >,
  seed: number,
): Decoding {
  return {
    maxTokens,
    temperature,
    topP,
    ...(topK !== null && { topK }),
    ...(minP > 0 && { minP }),
    ...(stop.length > 0 && { stop }),
    seed,
  };
}

/** `limit` of the values drawn by the seed, in their own order; all of them where there is no limit. */
function draw<T>(values: readonly T[], limit: number | null, seed: number): T[] {
  if (limit === null || limit >= values.length) return [...values];
  const places = createRandom(seed, 'limit')
    .shuffle([...values.keys()])
    .slice(0, limit);
  return places.sort((a, b) => a - b).map((place) => values[place]!);
}
