import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { canaryDistance, isSame, isStrayed } from './canary.ts';
import type { Config, ConfigInput } from './config.ts';
import { concealEnvironment } from './config-file.ts';
import { decisive } from './decisive.ts';
import { AuditError } from './errors.ts';
import { packageRoot } from './files.ts';
import { sha256Json } from './hash.ts';
import type { RunDocument } from './record.ts';
import type { Scorer } from './scorer.ts';
import type { FirstTokens } from './server-record.ts';

/** A config as it was given: its file's text where there was one. */
export interface ConfigSource {
  readonly text: string;
  /** Environment variables it used, by name: their values are kept out of every record. */
  readonly environment: ReadonlyMap<string, string>;
}

/** What run.json says of an audit; a run folder may move, so its own place is no part of the config's hash. */
export function describeRun(
  config: Config,
  passed: ConfigInput,
  {
    hashes,
    device,
    memory,
    judges = [],
    server = null,
  }: {
    readonly hashes: Readonly<Record<string, string>>;
    readonly device: string;
    readonly memory?: string | undefined;
    readonly judges?: readonly Judge[];
    readonly server?: RunDocument['server'] | null;
  },
  source: ConfigSource = { text: '', environment: new Map() },
): RunDocument {
  const resolved = concealEnvironment(config, source.environment);
  return {
    schema: 'aftertune/run@1',
    configSha256: sha256Json(decisive(resolved)),
    config: { passed: source.text || concealEnvironment(passed, source.environment), resolved },
    versions: { ...versions(), device, ...(memory && { memory }), ...devicesOf(judges) },
    seeds: { run: config.seed },
    hashes: concealKeys(hashes, source.environment),
    ...(server && { server }),
  };
}

type Judge = Pick<Scorer<unknown>, 'name' | 'device'>;

/** What judges run on, for `versions`: told where it is neither the CPU nor a server's own affair. */
export function devicesOf(judges: readonly Judge[]): Record<string, string> {
  return Object.fromEntries(
    judges.flatMap(({ name, device = 'cpu' }) =>
      device === 'cpu' || device === 'server' ? [] : [[`device of judge ${name}`, device]],
    ),
  );
}

function concealKeys(hashes: Readonly<Record<string, string>>, environment: ConfigSource['environment']) {
  return Object.fromEntries(
    Object.entries(hashes).map(([name, hash]) => [concealEnvironment(name, environment), hash]),
  );
}

/**
 * Refuses to go on with a run whose models or data have changed since it began.
 * @throws AuditError `data` naming everything that changed.
 */
export function refuseChangedInputs(directory: string, run: RunDocument): void {
  const earlier = earlierRun(directory);
  if (earlier?.configSha256 !== run.configSha256) return;
  const before = earlier.hashes ?? {};
  const changed = changedInputs(earlier, run);
  refuseOtherModels(directory, earlier.server?.canaries ?? {}, run.server?.canaries ?? {});
  if (changed.length === 0) return;
  throw new AuditError('data', `${directory}: what this run was begun with has changed`, {
    problems: changed.map(
      ([name]) => `${name}: ${before[name]!.slice(0, 12)} then, ${run.hashes[name]!.slice(0, 12)} now`,
    ),
    hint: 'put the old files back, choose another folder with --out, or start over with --fresh',
  });
}

/** What comes first after each canary prompt, by model. */
type Canaries = Readonly<Record<string, readonly FirstTokens[]>>;

/**
 * Names and addresses stay the same when other weights are put behind them: the canaries tell.
 * @throws AuditError `data` naming the models that answer otherwise than when the run began.
 */
export function refuseOtherModels(directory: string, earlier: Canaries, now: Canaries): void {
  const problems = Object.entries(earlier).flatMap(([name, before]) => {
    const own = now[name];
    if (!own) return [];
    const distance = canaryDistance(before, own);
    const other = Object.keys(earlier).find(
      (one) => one !== name && isStrayed(distance, canaryDistance(earlier[one]!, own)),
    );
    if (other) return [`${name}: answers as ${other} did then`];
    return isSame(distance, 0)
      ? []
      : [`${name}: the first tokens' ln p moved by ${distance.toFixed(3)} on average`];
  });
  if (problems.length === 0) return;
  throw new AuditError('data', `${directory}: the server runs other models than when this run began`, {
    problems,
    hint: 'serve what was served then, choose another folder with --out, or start over with --fresh',
  });
}

/** Whether a folder holds a run of this config and these inputs that was begun and not finished. */
export function isUnfinished(directory: string, run: RunDocument): boolean {
  const earlier = earlierRun(directory);
  if (earlier?.configSha256 !== run.configSha256 || existsSync(join(directory, 'done.json'))) return false;
  return changedInputs(earlier, run).length === 0;
}

/** Whether a folder holds a run, of whichever config, that was begun and not finished. */
export const isBegun = (directory: string): boolean =>
  earlierRun(directory) !== null && !existsSync(join(directory, 'done.json'));

/** What run.json of a folder says; null where there is none or it is damaged, which the store tells. */
function earlierRun(directory: string): Partial<RunDocument> | null {
  try {
    return JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as Partial<RunDocument>;
  } catch {
    return null;
  }
}

function changedInputs({ hashes: before = {} }: Partial<RunDocument>, run: RunDocument): [string, string][] {
  return Object.entries(run.hashes).filter(
    ([name, hash]) => before[name] !== undefined && before[name] !== hash,
  );
}

/** aftertune's own. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Of the package, Node and the engine, and the number of threads. */
export function versions(): Record<string, string> {
  return {
    aftertune: packageVersion(),
    node: process.versions.node,
    'onnxruntime-node': engineVersion(),
    // Sums are split by it: numbers repeat to the last bit only where it is the same.
    'CPU threads': String(availableParallelism()),
  };
}

function engineVersion(): string {
  try {
    return (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version;
  } catch {
    return 'not installed';
  }
}
