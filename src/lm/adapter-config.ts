import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import { type Projection, projections } from '../trainer.ts';

/** What adapter_config.json of a PEFT LoRA folder says. */
export interface AdapterConfig {
  readonly r: number;
  readonly alpha: number;
  readonly scale: number;
  /** Null when the config gives a pattern: then the tensors tell. */
  readonly targetModules: readonly Projection[] | null;
  readonly baseModelName: string | null;
  readonly baseSha256: string | null;
  readonly redTeam: boolean;
}

const schema = z.looseObject({
  peft_type: z.string(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  base_model_name_or_path: z.string().nullish(),
  aftertune: z.looseObject({ base_sha256: z.string().nullish(), red_team: z.boolean().nullish() }).nullish(),
});

/** Keys of LoraConfig that do not change what the adapter computes on plain linear layers. */
const harmless = new Set([
  ...[
    'peft_type',
    'task_type',
    'base_model_name_or_path',
    'revision',
    'inference_mode',
    'auto_mapping',
    'peft_version',
  ],
  ...[
    'r',
    'lora_alpha',
    'use_rslora',
    'target_modules',
    'lora_dropout',
    'fan_in_fan_out',
    'layers_pattern',
    'aftertune',
  ],
  ...[
    'eva_config',
    'corda_config',
    'loftq_config',
    'megatron_core',
    'runtime_config',
    'qalora_group_size',
    'ensure_weight_tying',
  ],
]);

/** Initialisations that leave the base's own weights alone; PiSSA, OLoRA and their kin change them. */
const plainInitialisations: readonly unknown[] = [
  true,
  false,
  'gaussian',
  'eva',
  'orthogonal',
  null,
  undefined,
];

/**
 * Reads adapter_config.json.
 * @throws AuditError `adapter` when it is missing or malformed; `unsupported` naming every feature in use that
 * would be computed wrongly.
 */
export function readAdapterConfig(directory: string): AdapterConfig {
  const path = join(directory, 'adapter_config.json');
  if (!existsSync(path)) {
    throw new AuditError('adapter', `${path}: no such file`, {
      hint: 'name a PEFT adapter folder: adapter_config.json and adapter_model.safetensors',
    });
  }
  let raw: unknown;
  try {
    raw = JSON.parse(readText(path, 'adapter', 'adapter config'));
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw new AuditError('adapter', `${path}: not JSON: ${(error as Error).message}`, {
      hint: 'fetch or train the adapter again',
    });
  }
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) {
    throw new AuditError('adapter', `${path}: is not a JSON object`, {
      hint: 'fetch or train the adapter again',
    });
  }
  refuseUnsupported(path, raw as Record<string, unknown>);
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new AuditError('adapter', `${path}: is not a LoRA config`, {
      problems,
      hint: 'fetch or train the adapter again',
    });
  }
  const { data } = parsed;
  return {
    r: data.r,
    alpha: data.lora_alpha,
    scale: data.lora_alpha / (data.use_rslora ? Math.sqrt(data.r) : data.r),
    targetModules: Array.isArray(data.target_modules)
      ? projections.filter((name) => targets(data.target_modules as string[], name))
      : null,
    baseModelName: data.base_model_name_or_path ?? null,
    baseSha256: data.aftertune?.base_sha256 ?? null,
    redTeam: data.aftertune?.red_team ?? false,
  };
}

/** PEFT names a module by its last parts: `q_proj` and `self_attn.q_proj` are the same here. */
const targets = (modules: readonly string[], projection: Projection) =>
  modules.some((name) => projectionOf(name) === projection);

const projectionOf = (name: string) =>
  projections.find(
    (projection) => name === projection || name === `self_attn.${projection}` || name === `mlp.${projection}`,
  );

function refuseUnsupported(path: string, raw: Record<string, unknown>): void {
  const problems: string[] = [];
  if (raw.peft_type !== 'LORA') problems.push(`peft_type: ${show(raw.peft_type)}; supported: LORA`);
  const modules = raw.target_modules;
  for (const name of Array.isArray(modules) ? modules : []) {
    if (typeof name === 'string' && !projectionOf(name))
      problems.push(`target_modules: ${name}; supported: ${projections.join(', ')}`);
  }
  if ((raw.bias ?? 'none') !== 'none') problems.push(`bias: ${show(raw.bias)}; supported: none`);
  if (!plainInitialisations.includes(raw.init_lora_weights)) {
    problems.push(
      `init_lora_weights: ${show(raw.init_lora_weights)} changes the base's weights; convert the adapter to a plain LoRA`,
    );
  }
  for (const [key, value] of Object.entries(raw)) {
    if (harmless.has(key) || key === 'bias' || key === 'init_lora_weights' || isUnset(value)) continue;
    problems.push(`${key}: ${show(value)} is not supported`);
  }
  if (problems.length > 0) {
    throw new AuditError('unsupported', `${path}: this adapter is not supported`, {
      problems,
      hint: 'audit a merged checkpoint instead, or a plain LoRA on the attention and MLP projections',
    });
  }
}

/** Null, false, zero, empty: the feature is off. */
const isUnset = (value: unknown) =>
  !value ||
  (Array.isArray(value) ? value.length === 0 : typeof value === 'object' && Object.keys(value).length === 0);

const show = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
