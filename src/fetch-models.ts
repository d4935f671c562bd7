import { type Config, weightsOf, withWeights } from './config.ts';
import { type JudgeModel, type JudgeSettings, withJudgePaths } from './config-judge.ts';
import { withMeaningJudge } from './config-suites.ts';
import { type FetchProgress, fetchFromHub } from './hub/fetch.ts';
import { isHubName } from './hub/name.ts';
import type { HubKind } from './hub/needed.ts';
import type { Progress } from './progress.ts';

interface Hooks {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches every model and adapter that a config names on the Hugging Face Hub.
 * @returns the config with the commits that the names' revisions stand for: what run.json records.
 * @throws AuditError before anything large is fetched where one of them cannot be had.
 */
export async function fetchModels(config: Config, hooks: Hooks): Promise<Config> {
  const { models, adapters } = modelPaths(config);
  const pin = await fetchPaths(models, adapters, hooks);
  return {
    ...config,
    model: withWeights(config.model, pin),
    arms: config.arms.map((arm) => ({ ...arm, adapter: arm.adapter && pin(arm.adapter) })),
    judges: pinJudges(config.judges, pin),
    suites: withMeaningJudge(config.suites, (model) => withJudgePaths(model, pin)),
  };
}

/** Whether anything of a config lies on the Hub. */
export function namesHubModels(config: Config): boolean {
  const { models, adapters } = modelPaths(config);
  return [...models, ...adapters].some(isHubName);
}

/** Every model and adapter that a config names, wherever it lies. */
export function modelPaths(config: Config): { models: string[]; adapters: string[] } {
  const entailment = config.suites.drift?.semanticEntropy?.judge;
  const judges = [...modelsOf(config.judges), ...(entailment ? [entailment] : [])].filter(isLocal);
  const weights = weightsOf(config);
  return {
    models: [...(weights === undefined ? [] : [weights]), ...judges.map(({ path }) => path)],
    adapters: [...('path' in config.model ? config.arms : []), ...judges].flatMap(
      ({ adapter }) => adapter ?? [],
    ),
  };
}

/** The same for judges alone. */
export async function fetchJudges(judges: readonly JudgeSettings[], hooks: Hooks): Promise<JudgeSettings[]> {
  const models = modelsOf(judges).filter(isLocal);
  const adapters = models.flatMap(({ adapter }) => adapter ?? []);
  const pin = await fetchPaths(
    models.map(({ path }) => path),
    adapters,
    hooks,
  );
  return pinJudges(judges, pin);
}

const modelsOf = (judges: readonly JudgeSettings[]) =>
  judges.flatMap((judge) => ('model' in judge ? [judge.model] : []));
/** Run here, not behind a server. */
const isLocal = (model: JudgeModel) => 'path' in model;

function pinJudges(judges: readonly JudgeSettings[], pin: (path: string) => string): JudgeSettings[] {
  return judges.map((judge) => {
    if (!('model' in judge)) return judge;
    return { ...judge, model: withJudgePaths(judge.model, pin) };
  });
}

/** Fetches those of the paths that are Hub names. @returns a path with its commit; a local one as it is. */
export async function fetchPaths(
  models: readonly string[],
  adapters: readonly string[],
  { onProgress, signal }: Hooks,
): Promise<(path: string) => string> {
  const wanted = new Map<string, HubKind>();
  for (const path of models.filter(isHubName)) wanted.set(path, 'model');
  for (const path of adapters.filter(isHubName)) if (!wanted.has(path)) wanted.set(path, 'adapter');
  if (wanted.size === 0) return (path) => path;
  const report = (progress: FetchProgress) => onProgress?.(inMegabytes(progress));
  const pinned = await fetchFromHub(wanted, { onProgress: report, signal });
  return (path) => pinned.get(path) ?? path;
}

/** 10⁶ bytes, one decimal; the total is reached only by the last byte. */
function inMegabytes({ label, file, done, total }: FetchProgress): Progress {
  const whole = Math.ceil(total / 1e5) / 10;
  return {
    stage: 'download',
    label,
    done: done === total ? whole : Math.floor(done / 1e5) / 10,
    total: whole,
    unit: 'MB',
    detail: file,
  };
}
