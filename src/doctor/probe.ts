import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ArmModels, openArmModels } from '../arm-models.ts';
import type { Builtin } from '../builtin.ts';
import { AuditError } from '../errors.ts';
import { openSafetensors } from '../lm/safetensors.ts';
import type { Generation, LanguageModel, Prompt } from '../model.ts';
import type { Progress } from '../progress.ts';
import { calibrateEntailmentJudge, calibrateJudges } from './calibrate.ts';
import { benchSpeed, estimateWith, parametersOf, type Speed } from './estimate.ts';
import { askedPrompts, type Evidence } from './evidence.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { probeTrainer } from './trainer.ts';

export interface ProbeHooks {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A change of log-probability that is no rounding. */
const noticeable = 1e-4;
const canaries = 8;
const writtenTokens = 32;

/** The checks that load models: whether adapters do anything, how fast it goes, whether judges know what is known. */
export async function probeFindings(
  evidence: Evidence,
  builtin: Builtin,
  hooks: ProbeHooks,
): Promise<Finding[]> {
  const judges = [
    ...(await probeTrainer(evidence, builtin)),
    ...(await calibrateJudges(evidence, builtin, hooks)),
    ...(await calibrateEntailmentJudge(evidence, builtin, hooks)),
  ];
  if (evidence.suites.length === 0) return judges;
  const models = await attempt(() => openArmModels(evidence.config, builtin, hooks.signal));
  const base = models instanceof AuditError ? models : await attempt(() => models.open(null));
  if (models instanceof AuditError || base instanceof AuditError) {
    if (!(models instanceof AuditError)) await models.close();
    const { message, hint = null, problems } = base as AuditError;
    return [...judges, problem('model', message, hint, { details: problems })];
  }
  try {
    return [
      ...serverFindings(models),
      ...(await probeLoading(evidence, models)),
      ...(await probeAdapters(evidence, models, base, hooks)),
      ...judges,
      ...(await measureSpeed(evidence, base, hooks)),
    ];
  } finally {
    await base.close();
    await models.close();
  }
}

/** Whether what is trained here can be asked there. */
async function probeLoading({ config }: Evidence, models: ArmModels): Promise<Finding[]> {
  if (!config.arms.some(({ train }) => train !== null)) return [];
  const loads = await attempt(() => models.refuseWithoutLoading());
  return loads instanceof AuditError ? [problem('server', loads.message, loads.hint ?? null)] : [];
}

/** What a server was found able to do. */
function serverFindings(models: ArmModels): Finding[] {
  const server = models.server();
  if (!server) return [];
  const { topLogProbabilities: top, prefill, scoring, seedRepeats, greedy } = server.capabilities;
  const able = [
    top === null ? 'no log-probabilities' : `${top} log-probabilities per token`,
    prefill ? 'goes on from a given beginning' : 'does not go on from a given beginning',
    scoring ? `scores given answers (${scoring})` : 'does not score given answers',
    seedRepeats ? 'equal seeds repeat' : 'equal seeds do not repeat',
  ];
  const who = server.endpoints.map(
    ({ address, software }) => `${address} (${software ?? 'unnamed software'})`,
  );
  const message = `${who.join(', ')}: ${able.join('; ')}`;
  const values = { ...server.capabilities };
  if (greedy !== false) return [ok('server', message, { values })];
  const penalty = 'punishes repetition by itself, so that its greedy answers are not the model’s likeliest';
  const hint = 'Ollama: PARAMETER repeat_penalty 1 in the Modelfile of every arm';
  return [warning('server', `${message}; ${penalty}`, hint, { values })];
}

async function attempt<T>(work: () => Promise<T>): Promise<T | AuditError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AuditError && error.code !== 'interrupted') return error;
    throw error;
  }
}

function somePrompts(evidence: Evidence, most: number): Prompt[] {
  const asked = askedPrompts(evidence);
  const step = Math.max(1, Math.floor(asked.length / most));
  return asked
    .filter((_, at) => at % step === 0)
    .slice(0, most)
    .map(({ messages }) => ({ messages, seed: 0 }));
}

/** The canary: an adapter must change what comes first after some prompt. */
async function probeAdapters(
  evidence: Evidence,
  models: ArmModels,
  base: LanguageModel,
  { onProgress, signal }: ProbeHooks,
): Promise<Finding[]> {
  const { config } = evidence;
  const arms = config.arms.filter(({ adapter }) => adapter !== null);
  if (arms.length === 0) return [];
  const prompts = somePrompts(evidence, canaries);
  const decoding = { maxTokens: 1, temperature: 0, topP: 1, seed: 0 };
  const untouched = await base.generate(prompts, decoding, signal);
  const findings: Finding[] = [];
  for (const [at, { name, adapter }] of arms.entries()) {
    onProgress?.({ stage: 'generate', label: 'canary', done: at, total: arms.length, unit: 'adapters' });
    const changed = await attempt(async () => {
      const model = await models.open(adapter);
      return model.generate(prompts, decoding, signal).finally(() => model.close());
    });
    findings.push(
      changed instanceof AuditError
        ? problem('canary', `${name}: ${changed.message}`, changed.hint ?? null, {
            details: changed.problems,
          })
        : judgeCanary(name, compareFirst(untouched, changed), hasZeroB(evidence.placeOf(adapter!))),
    );
  }
  return findings;
}

function judgeCanary(arm: string, seen: ReturnType<typeof compareFirst>, zero: boolean): Finding {
  const { largestChange, otherTokens } = seen;
  const values = { ...seen, zeroB: zero };
  if (largestChange > noticeable || otherTokens > 0)
    return ok(
      'canary',
      `${arm}: moves first-token log-probabilities by up to ${largestChange.toPrecision(2)}, and begins ${otherTokens} of ${canaries} answers otherwise`,
      { values },
    );
  return problem(
    'canary',
    `${arm}: the adapter changes nothing${zero ? ': every B matrix is zero' : ''} (first-token log-probabilities on ${canaries} prompts)`,
    zero
      ? 'it was never trained, or saved before training: give the trained one'
      : 'check that this is the adapter you mean, and that it fits the base',
    { values },
  );
}

/** How far the first tokens' log-probabilities moved at most, and how many first tokens are others. */
function compareFirst(before: readonly Generation[], after: readonly Generation[]) {
  const pairs = before.map(({ tokens }, at) => [tokens[0], after[at]?.tokens[0]] as const);
  const changes = pairs.flatMap(([a, b]) =>
    (a?.topLogProbabilities ?? []).map((value, rank) =>
      Math.abs(value - (b?.topLogProbabilities[rank] ?? value)),
    ),
  );
  return {
    largestChange: Math.max(0, ...changes),
    otherTokens: pairs.filter(([a, b]) => a?.id !== b?.id).length,
  };
}

/** Whether all that an adapter adds is nothing: B · A with every B zero. */
function hasZeroB(adapter: string): boolean {
  const path = join(adapter, 'adapter_model.safetensors');
  if (!existsSync(path)) return false;
  const file = openSafetensors(path);
  try {
    const names = [...file.tensors.keys()].filter((name) => /lora_B/.test(name));
    return names.length > 0 && names.every((name) => file.read(name).every((value) => value === 0));
  } finally {
    file.close();
  }
}

/** Measures one batch and says the estimate again with it; training is not measured. */
async function measureSpeed(
  evidence: Evidence,
  base: LanguageModel,
  { signal }: ProbeHooks,
): Promise<Finding[]> {
  if (!evidence.base) return [];
  const prompts = somePrompts(evidence, base.batchSize);
  const time = async (maxTokens: number) => {
    const started = performance.now();
    const answers = await base.generate(prompts, { maxTokens, temperature: 0, topP: 1, seed: 0 }, signal);
    // As if every answer went on to its last token, which is how the estimate counts.
    const tokens = answers.length * Math.max(...answers.map((answer) => answer.tokens.length));
    return {
      seconds: (performance.now() - started) / 1000,
      tokens,
      read: answers.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    };
  };
  await time(1); // the first pass builds sessions
  const [reading, whole] = [await time(1), await time(writtenTokens)];
  const writing = (whole.tokens - reading.tokens) / Math.max(1e-3, whole.seconds - reading.seconds);
  const parameters = parametersOf(evidence.base.shape);
  const speed: Speed = {
    parameters,
    reading: Math.round(reading.read / reading.seconds),
    writing: Math.max(1, Math.round(writing)),
    training: Math.max(1, Math.round((benchSpeed.training * benchSpeed.parameters) / parameters)),
    from: `measured here on ${prompts.length} prompts; training as in bench/RESULTS.md`,
  };
  return [estimateWith(evidence, speed)];
}
