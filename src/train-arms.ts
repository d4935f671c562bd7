import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ArmSettings, type Config, weightsOf } from './config.ts';
import { throwIfAborted } from './errors.ts';
import { sha256File, sha256Json } from './hash.ts';
import { localPath } from './hub/cache.ts';
import { defaultOptions, type LanguageModel } from './model.ts';
import type { Plan } from './plan.ts';
import type { Progress } from './progress.ts';
import type { ArmSummary } from './record.ts';
import { refuseOtherModels } from './run-document.ts';
import type { RunStore } from './store.ts';
import type { Trainer, TrainingSettings, TrainingStep } from './trainer.ts';

/** An adapter trained in this run. */
export interface TrainedArm {
  readonly name: string;
  /** Its PEFT folder, absolute. */
  readonly adapter: string;
  readonly history: readonly TrainingStep[];
  readonly training: NonNullable<ArmSummary['training']>;
}

interface Hooks {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Trains the arms that learn something here, one after the other; an adapter that is there already is kept. */
export async function trainArms(
  arms: readonly ArmSettings[],
  config: Config,
  plan: Plan,
  store: RunStore,
  trainer: Trainer,
  hooks: Hooks,
): Promise<Map<string, TrainedArm>> {
  const trained = new Map<string, TrainedArm>();
  for (const arm of arms.filter(({ train }) => train !== null)) {
    throwIfAborted(hooks.signal);
    trained.set(arm.name, await trainArm(arm, config, plan, store, trainer, hooks));
  }
  return trained;
}

/**
 * run.json is written before an arm is trained: what its model says first on the server stands beside its training.
 * @throws AuditError `data` where it says something else than when the run was begun.
 */
export async function keepCanary(
  store: RunStore,
  { name, training }: TrainedArm,
  canary: NonNullable<LanguageModel['canary']>,
): Promise<void> {
  const inputs = { adapter: training.adapterSha256 };
  const before = await store.stage(`canary-${name}`, inputs, async () => canary);
  refuseOtherModels(store.directory, { [name]: before }, { [name]: canary });
}

async function trainArm(
  arm: ArmSettings,
  config: Config,
  plan: Plan,
  store: RunStore,
  trainer: Trainer,
  { onProgress, signal }: Hooks,
): Promise<TrainedArm> {
  const rows = plan.rows.get(arm.name) ?? [];
  const settings = trainingSettings(config);
  const adapter = join(store.directory, 'adapters', arm.name);
  const weights = join(adapter, 'adapter_model.safetensors');
  const inputs = {
    trainer: trainer.name,
    base: plan.baseFingerprint,
    rows: sha256Json(rows),
    settings,
    redTeam: arm.redTeam,
  };
  let resumed: number | undefined;
  const report = (done: number, detail?: string, { loss, asks }: { loss?: number; asks?: true } = {}) =>
    onProgress?.({
      stage: 'train',
      label: arm.name,
      done,
      total: settings.steps,
      ...(resumed !== undefined && { resumed }),
      unit: 'steps',
      ...(detail && { detail }),
      ...(loss !== undefined && { loss }),
      ...(asks && { asks }),
    });
  const { sha256, history } = await store.stage(
    `train-${arm.name}`,
    inputs,
    async () => {
      report(0);
      const result = await trainer.train({
        modelDirectory: await localPath(weightsOf(config)!),
        options:
          'endpoint' in config.model
            ? { ...defaultOptions, enableThinking: config.model.enableThinking }
            : config.model,
        rows,
        settings,
        outputDirectory: adapter,
        redTeam: arm.redTeam,
        onStep: ({ step, loss, evaluationLoss }) => {
          // Steps before a checkpoint are not told again.
          resumed ??= step - 1;
          const heldOut = evaluationLoss === undefined ? '' : `, held out ${evaluationLoss.toFixed(3)}`;
          report(step, `loss ${loss.toFixed(3)}${heldOut}`, { loss });
        },
        onEvaluation: ({ step, evaluated }) => {
          resumed ??= step - 1;
          report(step, `evaluating held-out rows, ${Math.round(100 * evaluated)} %`);
        },
        onWait: (what) => report(0, what, { asks: true }),
        ...(signal && { signal }),
      });
      return { sha256: result.sha256, history: result.history };
    },
    async (kept) => existsSync(weights) && (await sha256File(weights)) === kept.sha256,
  );
  report(settings.steps);
  const training = summariseTraining(arm, settings, rows.length, sha256, history);
  return { name: arm.name, adapter, history, training };
}

function trainingSettings({ training, seed }: Config): TrainingSettings {
  const { trainer: _, matchTokens: __, launcher: ___, ...settings } = training;
  return { ...settings, seed };
}

function summariseTraining(
  { redTeam }: ArmSettings,
  { earlyStopping }: TrainingSettings,
  rows: number,
  adapterSha256: string,
  history: readonly TrainingStep[],
): NonNullable<ArmSummary['training']> {
  const sum = (key: 'tokens' | 'labelledTokens') => history.reduce((total, step) => total + step[key], 0);
  const last = history.at(-1);
  if (!last) throw new Error('internal: training without a step');
  const evaluated = history.flatMap(({ step, evaluationLoss: loss }) =>
    loss === undefined ? [] : [{ step, loss }],
  );
  const lowest = Math.min(...evaluated.map(({ loss }) => loss));
  const kept = earlyStopping ? evaluated.find(({ loss }) => loss === lowest) : evaluated.at(-1);
  return {
    rows,
    steps: history.length,
    tokens: sum('tokens'),
    labelledTokens: sum('labelledTokens'),
    finalLoss: last.loss,
    ...(kept && { evaluationLoss: kept.loss }),
    ...(kept && earlyStopping && { keptStep: kept.step }),
    adapterSha256,
    redTeam,
  };
}
