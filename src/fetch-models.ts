import type { Config } from './config.ts';
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
  const entropy = config.suites.drift?.semanticEntropy;
  const judges = [
    ...config.judges.flatMap((judge) => ('model' in judge ? [judge.model] : [])),
    ...(entropy?.judge ? [entropy.judge] : []),
  ];
  const models = [config.model.path, ...judges.map(({ path }) => path)];
  const adapters = [...config.arms, ...judges].flatMap(({ adapter }) => adapter ?? []);
  const pin = await fetchPaths(models, adapters, hooks);
  const pinJudge = <T extends { path: string; adapter: string | null }>(model: T): T => ({
    ...model,
    path: pin(model.path),
    adapter: model.adapter && pin(model.adapter),
  });
  const { drift } = config.suites;
  return {
    ...config,
    model: { ...config.model, path: pin(config.model.path) },
    arms: config.arms.map((arm) => ({ ...arm, adapter: arm.adapter && pin(arm.adapter) })),
    judges: config.judges.map((judge) =>
      'model' in judge ? { ...judge, model: pinJudge(judge.model) } : judge,
    ),
    ...(drift &&
      entropy?.judge && {
        suites: {
          ...config.suites,
          drift: { ...drift, semanticEntropy: { ...entropy, judge: pinJudge(entropy.judge) } },
        },
      }),
  };
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
