import { existsSync } from 'node:fs';
import { modelName } from '../arm-models.ts';
import type { ArmSettings } from '../config.ts';
import { AuditError } from '../errors.ts';
import { isHubName } from '../hub/name.ts';
import { readAdapterConfig } from '../lm/adapter-config.ts';
import { matchBase, ownName } from '../lm/base-name.ts';
import type { Evidence } from './evidence.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** Checks of the base, the adapters and the judges, from their config files. */

/** A Hub name that has no commit yet, or whose files are not in the cache. */
const isElsewhere = ({ placeOf }: Evidence, path: string) => isHubName(path) && !existsSync(placeOf(path));

/** Whether the base is here; without it lengths and templates are not looked at. */
export function checkBase({ config: { model }, base, failures }: Evidence): Finding[] {
  if (base)
    return [
      ok(
        'model',
        `${ownName(modelName({ model }))}: ${base.shape.layers} layers, context ${base.shape.contextLength}`,
      ),
    ];
  if ('endpoint' in model) {
    const places =
      typeof model.endpoint === 'string' ? [model.endpoint] : model.endpoint.map((one) => one.address);
    return [ok('model', `${model.base} at ${places.join(', ')}; --probe asks what it can do`)];
  }
  if (model.engine !== 'embedded' || failures.some(({ code }) => code === 'model' || code === 'unsupported'))
    return [];
  if (!isHubName(model.path) && !existsSync(model.path))
    return [problem('model', `${model.path}: no such model`, 'relative paths start at the config file')];
  return [
    warning(
      'model',
      `${model.path} is not a folder on this machine: lengths, templates and memory were not looked at`,
      '--probe fetches and loads it',
    ),
  ];
}

/** Adapters that exist: rank, scale, base, and whether the config says what they are. */
export function checkAdapters(evidence: Evidence): Finding[] {
  return evidence.config.arms.flatMap((arm) => {
    const { name, adapter } = arm;
    const { model } = evidence.config;
    if (adapter === null || 'endpoint' in model || model.engine !== 'embedded') return [];
    if (isElsewhere(evidence, adapter))
      return [
        warning(
          'adapter',
          `${name}: ${adapter} is not on this machine yet`,
          '--probe fetches and looks at it',
        ),
      ];
    try {
      return checkAdapter(arm, evidence.placeOf(adapter), evidence);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      return [
        problem('adapter', `${name}: ${error.message}`, error.hint ?? null, { details: error.problems }),
      ];
    }
  });
}

function checkAdapter(
  { name, redTeam }: ArmSettings,
  adapter: string,
  { config, base }: Evidence,
): Finding[] {
  const { r, alpha, rankStabilised, layers, baseModelName, redTeam: marked } = readAdapterConfig(adapter);
  const scale = alpha / (rankStabilised ? Math.sqrt(r) : r);
  const doubts: [string, string][] = [];
  const match = baseModelName === null ? 'same' : matchBase(baseModelName, modelName(config));
  if (match === 'quantised')
    doubts.push([
      `was trained on ${baseModelName} and is put on ${ownName(modelName(config))}`,
      'the weights differ by the rounding: name the same model in model.path to audit what was trained',
    ]);
  if (match === 'other')
    doubts.push([
      `names ${baseModelName} as its base and is put on ${ownName(modelName(config))}`,
      'nothing proves that it was trained on these weights: check model.path',
    ]);
  if (base && r > base.shape.hiddenSize)
    doubts.push([`rank ${r} is more than the model is wide`, 'check r in adapter_config.json']);
  if (scale > 16 || scale < 1 / 64)
    doubts.push([
      `scale ${Number(scale.toPrecision(3))} (alpha ${alpha}, r ${r}) is unusual`,
      'check lora_alpha in adapter_config.json',
    ]);
  if (marked && !redTeam)
    doubts.push([
      'was trained to do harm, by its own config',
      'set redTeam: true on the arm, so that the gate leaves it out',
    ]);
  const beyond = base ? (layers ?? []).filter((layer) => layer >= base.shape.layers) : [];
  if (beyond.length > 0)
    return [
      problem(
        'adapter',
        `${name}: changes layers ${beyond.join(', ')} of a base with ${base!.shape.layers}`,
        'this adapter is of another base',
      ),
    ];
  if (doubts.length === 0)
    return [
      ok(
        'adapter',
        `${name}: rank ${r}, scale ${Number(scale.toPrecision(3))}, of ${baseModelName ?? 'an unnamed base'}`,
      ),
    ];
  return doubts.map(([what, advice]) => warning('adapter', `${name}: ${what}`, advice));
}

/** What the judges can and cannot tell. Whether they do is what --probe tries. */
export function checkJudges(evidence: Evidence): Finding[] {
  const { judges, suites } = evidence.config;
  if (!suites.harm) return [];
  const models = judges.filter((judge) => 'model' in judge);
  const [first] = judges;
  if (models.length === 0)
    return [
      warning(
        'judge',
        'harm is judged by a list of refusal phrases alone',
        'it tells whether the model refused, not whether an answer is harmful: add a judge model, as type: llama-guard',
      ),
    ];
  return judges.map((judge) => {
    const role = judge === first ? 'the one that counts' : 'beside the first';
    if (!('model' in judge)) {
      const what = judge.type === 'recorded' ? 'recorded verdicts' : 'a list of phrases';
      return ok('judge', `${judge.name}: ${what}, ${role}`);
    }
    if ('endpoint' in judge.model) {
      const { name, endpoint } = judge.model;
      return ok('judge', `${judge.name}: ${name} at ${endpoint}, ${role}; --probe asks whether it answers`);
    }
    const path = judge.model.path;
    const place = isElsewhere(evidence, path) ? 'fetched when it is needed' : 'on this machine';
    if (!isHubName(path) && !existsSync(path))
      return problem(
        'judge',
        `${judge.name}: ${path}: no such model`,
        'relative paths start at the config file',
      );
    return ok(
      'judge',
      `${judge.name}: ${ownName(path)}, ${place}; its own chat template is its prompt, hashed with the verdicts`,
    );
  });
}
