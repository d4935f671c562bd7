import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Builtin } from '../builtin.ts';
import { AuditError } from '../errors.ts';
import { localPath } from '../hub/cache.ts';
import { openSafetensors } from '../lm/safetensors.ts';
import type { Generation, LanguageModel, Prompt } from '../model.ts';
import { armSource } from '../plan.ts';
import type { Progress } from '../progress.ts';
import { calibrateJudges } from './calibrate.ts';
import { benchSpeed, estimateWith, parametersOf, type Speed } from './estimate.ts';
import { askedPrompts, type Evidence } from './evidence.ts';
import { type Finding, ok, problem } from './finding.ts';

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
  const judges = await calibrateJudges(evidence, builtin, hooks);
  if (evidence.suites.length === 0) return judges;
  const base = await attempt(() => builtin.model(armSource(evidence.config, null)));
  if (base instanceof AuditError)
    return [...judges, problem('model', base.message, base.hint ?? null, { details: base.problems })];
  try {
    return [
      ...(await probeAdapters(evidence, builtin, base, hooks)),
      ...judges,
      ...(await measureSpeed(evidence, base, hooks)),
    ];
  } finally {
    await base.close();
  }
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
  builtin: Builtin,
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
    const model = await attempt(() => builtin.model(armSource(config, adapter)));
    if (model instanceof AuditError) {
      findings.push(
        problem('canary', `${name}: ${model.message}`, model.hint ?? null, { details: model.problems }),
      );
      continue;
    }
    const changed = await model.generate(prompts, decoding, signal).finally(() => model.close());
    findings.push(judgeCanary(name, largestChange(untouched, changed), await hasZeroB(adapter!)));
  }
  return findings;
}

function judgeCanary(arm: string, change: number, zero: boolean): Finding {
  const values = { largestChange: change, zeroB: zero };
  if (change > noticeable)
    return ok('canary', `${arm}: changes first-token log-probabilities by up to ${change.toPrecision(2)}`, {
      values,
    });
  return problem(
    'canary',
    `${arm}: the adapter changes nothing${zero ? ': every B matrix is zero' : ''} (first-token log-probabilities on ${canaries} prompts)`,
    zero
      ? 'it was never trained, or saved before training: give the trained one'
      : 'check that this is the adapter you mean, and that it fits the base',
    { values },
  );
}

/** Infinite where another token comes first. */
function largestChange(before: readonly Generation[], after: readonly Generation[]): number {
  const changes = before.map(({ tokens: [a] }, at) => {
    const b = after[at]?.tokens[0];
    if (!a || !b) return a === b ? 0 : Number.POSITIVE_INFINITY;
    const own = Math.abs(a.logProbability - b.logProbability);
    return Math.max(
      a.id === b.id ? own : 1,
      ...a.topLogProbabilities.map((value, rank) => Math.abs(value - (b.topLogProbabilities[rank] ?? value))),
    );
  });
  return Math.max(0, ...changes);
}

/** Whether all that an adapter adds is nothing: B · A with every B zero. */
async function hasZeroB(adapter: string): Promise<boolean> {
  const path = join(await localPath(adapter), 'adapter_model.safetensors');
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
    const tokens = answers.map((answer) => answer.tokens.length).reduce((sum, length) => sum + length, 0);
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
