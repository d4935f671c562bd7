import type { Config } from './config.ts';
import type { JudgeModel } from './config-judge.ts';
import { withMeaningJudge } from './config-suites.ts';
import { AuditError, firstProblems } from './errors.ts';
import type { RunDocument } from './record.ts';

/** What of a config decides answers: a run goes on where that is the same. */

/** How fast, how patiently and at what cost a server is asked. */
const pace = ['apiKeyEnv', 'attempts', 'budget', 'concurrency', 'timeoutSeconds'];

/** A config without what decides no answer: where its run lies, how servers are asked, and what starts the training. */
export function decisive({ out: _, ...config }: Config): object {
  return {
    ...config,
    model: unhurried(config.model),
    suites: withMeaningJudge(config.suites, (model) => unhurried(model) as JudgeModel),
    training: without(config.training, ['launcher']),
    judges: config.judges.map((judge) =>
      'model' in judge ? { ...judge, model: unhurried(judge.model) } : judge,
    ),
  };
}

const unhurried = (model: object): object =>
  isTable(model) && 'endpoint' in model ? without(model, pace) : model;

const without = (table: object, keys: readonly string[]): object =>
  Object.fromEntries(Object.entries(table).filter(([key]) => !keys.includes(key)));

/**
 * Where two resolved configs decide otherwise, a line each: `model.endpoint: "a" there, "b" now`. What is in a list goes
 * by its name, where it has one.
 */
export function decisiveChanges(there: unknown, now: unknown): string[] {
  return differences(relevant(there), relevant(now), []);
}

/** @throws AuditError `config` naming what differs, where a folder's run decides otherwise than this one. */
export function refuseOtherConfig(directory: string, earlier: RunDocument, now: RunDocument): void {
  if (earlier.configSha256 === now.configSha256) return;
  const changes = decisiveChanges(earlier.config.resolved, now.config.resolved);
  const onlyGate = changes.length > 0 && changes.every((change) => /^gate[.:]/.test(change));
  const hashes = [earlier, now].map(({ configSha256 }) => configSha256.slice(0, 12));
  throw new AuditError('config', `${directory}: holds a run of another config`, {
    hint: `${onlyGate ? 'hold it to other margins by aftertune gate RUN --policy FILE, ' : ''}choose another folder with --out, or start over with --fresh`,
    problems:
      changes.length > 0 ? firstProblems(changes) : [`config there ${hashes[0]}, config now ${hashes[1]}`],
  });
}

/** A run that was imported, or changed by hand, has another shape of config. */
const relevant = (config: unknown): unknown =>
  isTable(config) &&
  [config.model, config.suites, config.training].every(isTable) &&
  Array.isArray(config.judges) &&
  config.judges.every(isTable)
    ? decisive(config as unknown as Config)
    : config;

function differences(there: unknown, now: unknown, path: readonly string[]): string[] {
  const [before, after] = [byName(there), byName(now)];
  if (isTable(before) && isTable(after))
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      differences(before[key], after[key], [...path, key]),
    );
  const [old, own] = [shown(before), shown(after)];
  return JSON.stringify(before) === JSON.stringify(after)
    ? []
    : [`${path.join('.') || 'config'}: ${old} there, ${own} now`];
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function byName(value: unknown): unknown {
  if (!Array.isArray(value) || !value.every(isTable)) return value;
  return Object.fromEntries(
    value.map((one, at) => [typeof one.name === 'string' ? one.name : String(at), one]),
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
