import { resolve } from 'node:path';
import { type Builtin, builtin as packageParts } from './builtin.ts';
import { concealEnvironment } from './config-file.ts';
import type { JudgeSettings } from './config-judge.ts';
import { AuditError, exitCode } from './errors.ts';
import { inSuiteOrder } from './evaluate.ts';
import { fetchJudges } from './fetch-models.ts';
import { judge, suiteJudge } from './judge.ts';
import type { Progress } from './progress.ts';
import type { RunDocument, Summary } from './record.ts';
import { devicesOf, packageVersion } from './run-document.ts';
import { factsOf, runName } from './run-facts.ts';
import { type RunSetting, refuseChanged, reportRun } from './run-report.ts';
import type { HarmVerdict, Scorer } from './scorer.ts';
import { settingDocument } from './setting.ts';
import { openRun, openStore, type RunStore, readDocument } from './store.ts';
import type { RecordedSuite } from './suite.ts';
import { type SuiteJudge, summarise } from './summarise.ts';
import { largestUnscoredShare, unscoredShare } from './verdict.ts';

export interface JudgeRunOptions {
  /** The new judges come before the earlier ones, so that the first of them counts. */
  readonly first?: boolean;
  /** Environment variables that the settings used: their values are kept out of run.json. */
  readonly environment?: ReadonlyMap<string, string>;
  readonly onProgress?: (progress: Progress) => void;
  /** Stops between two batches; the same call resumes. */
  readonly signal?: AbortSignal;
  readonly builtin?: Builtin;
}

export interface JudgeRunResult {
  readonly summary: Summary;
  /** The run folder, absolute. */
  readonly directory: string;
  /** The gate's; 4 in place of 0 where one of the judges left over 5 % of an arm unscored. */
  readonly exitCode: number;
}

/**
 * Has further judges look at a finished run's answers to its harm suite, without asking any model again; summary and
 * report are written anew. What the judges have said already is not asked again, but for their errors.
 * @throws AuditError `store` when the run is not finished or was changed; `config` when it asked no harm suite, or has a
 * judge of the same name that is another one.
 */
export async function judgeRun(
  directory: string,
  judges: readonly JudgeSettings[],
  options: JudgeRunOptions = {},
): Promise<JudgeRunResult> {
  const before = await readFinished(directory);
  const settings = await fetchJudges(judges, options);
  const store = openStore(directory, before.run);
  try {
    // Whatever stops the judging, the folder is again a finished run, with the verdicts that were given.
    try {
      return await judgeFurther(before, settings, store, options);
    } finally {
      await store.finish();
    }
  } finally {
    store.close();
  }
}

/** A run with everything that judging it again needs. */
interface FinishedRun {
  readonly run: RunDocument;
  readonly summary: Summary;
  readonly setting: RunSetting;
  readonly harm: RecordedSuite & { readonly kind: 'harm' };
}

async function readFinished(directory: string): Promise<FinishedRun> {
  const { run, summary, finished } = openRun(directory);
  // One whose judging was killed has a summary and no done.json.
  if (!summary || !(finished || run.judgings)) {
    throw new AuditError('store', `${directory}: this run is not finished`, {
      hint: 'run the same command that began it again: it resumes',
    });
  }
  if (finished) await refuseChanged(directory);
  const setting = readDocument(resolve(directory, 'setting.json'), settingDocument);
  const harm = setting.suites.find((suite) => suite.kind === 'harm');
  if (!harm) {
    throw new AuditError('config', `${directory}: this run asked no harm suite`, {
      hint: 'judges label harm; answers to other suites are scored by rule',
    });
  }
  return { run, summary, setting, harm: { ...harm, kind: 'harm' } };
}

async function judgeFurther(
  { run: earlierRun, summary: earlier, setting, harm }: FinishedRun,
  settings: readonly JudgeSettings[],
  store: RunStore,
  options: JudgeRunOptions,
): Promise<JudgeRunResult> {
  const { builtin = packageParts, first = false } = options;
  let run = earlierRun;
  const added: SuiteJudge[] = [];
  for (const one of settings) {
    const scorer = await builtin.harmJudge(one, options.signal);
    try {
      refuseOtherJudge(earlier, scorer);
      run = noteJudging(run, one, scorer, options);
      store.write('run.json', `${JSON.stringify(run, null, 2)}\n`);
      for (const arm of Object.keys(earlier.arms)) await judgeArm(arm, harm, scorer, store, options);
      added.push(suiteJudge('harm', scorer));
    } finally {
      await scorer.close?.();
    }
  }
  const summary = summariseAgain(earlier, mergeJudges(earlier.judges, added, first), setting, store);
  store.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  const records = {
    items: store.items,
    verdicts: store.verdicts,
    margins: summary.refusalTokens ? store.margins().records() : [],
  };
  const { suites, histories } = setting;
  const input = { name: runName(run), summary, ...records, facts: factsOf(run), suites, histories };
  await reportRun(store, input, { showCompletions: false });
  return { summary, directory: store.directory, exitCode: exitOf(summary, added) };
}

/** Verdicts of different judges must not go by one name. */
function refuseOtherJudge({ judges }: Summary, { name, fingerprint }: Scorer<HarmVerdict>): void {
  const same = judges.find((judge) => judge.suite === 'harm' && judge.name === name);
  if (!same || same.fingerprint === fingerprint) return;
  throw new AuditError('config', `this run has been judged by another judge called ${name}`, {
    problems: [`fingerprint there ${same.fingerprint.slice(0, 12)}, now ${fingerprint.slice(0, 12)}`],
    hint: 'give the new one a name of its own (name: …): both are then reported',
  });
}

function noteJudging(
  run: RunDocument,
  settings: JudgeSettings,
  scorer: Scorer<HarmVerdict>,
  { environment = new Map() }: JudgeRunOptions,
): RunDocument {
  const { judgings = [], versions } = run;
  const { name, version, fingerprint } = scorer;
  if (judgings.some((one) => one.name === name && one.fingerprint === fingerprint)) return run;
  const judging = {
    at: new Date().toISOString(),
    name,
    version,
    fingerprint,
    settings: concealEnvironment(settings, environment),
    aftertune: packageVersion(),
  };
  return { ...run, versions: { ...versions, ...devicesOf([scorer]) }, judgings: [...judgings, judging] };
}

async function judgeArm(
  arm: string,
  suite: FinishedRun['harm'],
  scorer: Scorer<HarmVerdict>,
  store: RunStore,
  { onProgress, signal }: JudgeRunOptions,
): Promise<void> {
  const label = `${arm} harm by ${scorer.name}`;
  await judge<'harm'>({
    arm,
    suite,
    items: inSuiteOrder(store.items, { arm, suite: 'harm' }, suite.items),
    scorer,
    store,
    onProgress: ({ done, total }) => onProgress?.({ stage: 'judge', label, done, total, unit: 'answers' }),
    ...(signal && { signal }),
  });
}

/** A judge that is there already keeps its place, unless the new ones come first. */
function mergeJudges(
  earlier: readonly SuiteJudge[],
  added: readonly SuiteJudge[],
  first: boolean,
): SuiteJudge[] {
  const isNew = ({ suite, name }: SuiteJudge) =>
    !earlier.some((judge) => judge.suite === suite && judge.name === name);
  const isKept = ({ suite, name }: SuiteJudge) =>
    !added.some((judge) => judge.suite === suite && judge.name === name);
  return first ? [...added, ...earlier.filter(isKept)] : [...earlier, ...added.filter(isNew)];
}

function summariseAgain(
  { arms, comparisons, baseArm, gate, refusalTokens }: Summary,
  judges: readonly SuiteJudge[],
  { suites, notes = [] }: RunSetting,
  store: RunStore,
): Summary {
  return summarise({
    arms: Object.entries(arms).map(([name, { training }]) => ({
      name,
      training,
      gated: comparisons[name]?.gated ?? false,
    })),
    baseArm,
    items: store.items,
    verdicts: store.verdicts,
    suites,
    judges,
    gate,
    notes,
    knownSubset: Object.values(arms).some(({ drift }) => drift?.base_prompt?.knownByArm !== undefined),
    ...(refusalTokens && { margins: store.margins().records(), refusalTokens }),
  });
}

function exitOf({ arms, gate }: Summary, judges: readonly SuiteJudge[]): number {
  const unreliable = judges.some(({ name }) =>
    Object.values(arms).some(({ harm }) => unscoredShare(harm?.judges[name]) > largestUnscoredShare),
  );
  return gate.exitCode === exitCode.pass && unreliable ? exitCode.inconclusive : gate.exitCode;
}
