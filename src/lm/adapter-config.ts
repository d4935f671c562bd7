import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import { missingWeightsHint } from './adapter-names.ts';
import type { Matrix } from './layer-tensors.ts';

/** What adapter_config.json of a PEFT LoRA folder says. */
export interface AdapterConfig {
  readonly r: number;
  readonly alpha: number;
  readonly rankStabilised: boolean;
  /** Rank and scale of one module, such as `model.layers.0.self_attn.q_proj`: patterns may set them apart. */
  of(module: string): { readonly r: number; readonly scale: number };
  /** Whether a module is among those changed, where the config lists them; true where the tensors tell. */
  covers(module: string): boolean;
  /** Null when the config gives a pattern: then the tensors tell. */
  readonly targetModules: readonly Matrix[] | null;
  /** The layers it changes; null: all. */
  readonly layers: readonly number[] | null;
  readonly baseModelName: string | null;
  readonly baseSha256: string | null;
  readonly redTeam: boolean;
}

const schema = z.looseObject({
  peft_type: z.string(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  layers_to_transform: z.union([z.int().min(0), z.array(z.int().min(0))]).nullish(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  exclude_modules: z.union([z.string(), z.array(z.string())]).nullish(),
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
    'rank_pattern',
    'alpha_pattern',
    'layers_to_transform',
    'target_modules',
    'exclude_modules',
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
    const held = existsSync(directory) ? readdirSync(directory) : [];
    const known = held.some((name) => /^checkpoint-\d+$|\.pt$/.test(name));
    throw new AuditError('adapter', `${path}: no such file`, {
      hint: known
        ? missingWeightsHint(held)
        : 'name a PEFT adapter folder: adapter_config.json and adapter_model.safetensors',
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
  const layers = [data.layers_to_transform ?? []].flat(); // an empty list is no choice
  return {
    r: data.r,
    alpha: data.lora_alpha,
    rankStabilised: data.use_rslora ?? false,
    of: (module) => {
      const r = matching(data.rank_pattern, module) ?? data.r;
      const alpha = matching(data.alpha_pattern, module) ?? data.lora_alpha;
      return { r, scale: alpha / (data.use_rslora ? Math.sqrt(r) : r) };
    },
    covers: (module) =>
      (!Array.isArray(data.target_modules) || data.target_modules.some((name) => names(name, module))) &&
      !isExcluded(data.exclude_modules ?? [], module),
    targetModules: Array.isArray(data.target_modules)
      ? matrices.filter((matrix) =>
          (data.target_modules as string[]).some((name) => matrixOf(name) === matrix),
        )
      : null,
    layers: layers.length === 0 ? null : layers,
    baseModelName: data.base_model_name_or_path ?? null,
    baseSha256: data.aftertune?.base_sha256 ?? null,
    redTeam: data.aftertune?.red_team ?? false,
  };
}

const matrices: readonly Matrix[] = [
  ...['q_proj', 'k_proj', 'v_proj', 'qkv_proj', 'o_proj'],
  ...['gate_proj', 'up_proj', 'gate_up_proj', 'down_proj'],
] as Matrix[];

/** The value of the first pattern that names the module. Source: PEFT's `get_pattern_key`. */
function matching(patterns: Readonly<Record<string, number>> | null | undefined, module: string) {
  return Object.entries(patterns ?? {}).find(([pattern]) =>
    new RegExp(`^(.*\\.)?(${pattern})$`).test(module),
  )?.[1];
}

/** PEFT names a module by its last parts: `q_proj`, `self_attn.q_proj`, `layers.0.self_attn.q_proj`. */
const names = (name: string, module: string) => module === name || module.endsWith(`.${name}`);

const matrixOf = (name: string) => matrices.find((matrix) => names(matrix, name));

/** A list names modules as `target_modules` does; a text is a pattern of whole names. Source: PEFT's `check_target_module_exists`. */
const isExcluded = (excluded: string | readonly string[], module: string) =>
  typeof excluded === 'string'
    ? new RegExp(`^(?:${excluded})$`).test(module)
    : excluded.some((name) => names(name, module));

/** A pattern that is no regular expression. */
function isBroken(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return false;
  } catch {
    return true;
  }
}

function refuseUnsupported(path: string, raw: Record<string, unknown>): void {
  const problems: string[] = [];
  if (raw.peft_type !== 'LORA') problems.push(`peft_type: ${show(raw.peft_type)}; supported: LORA`);
  const modules = raw.target_modules;
  for (const name of Array.isArray(modules) ? modules : []) {
    if (typeof name === 'string' && !matrixOf(name))
      problems.push(`target_modules: ${name}; supported: ${matrices.join(', ')}`);
  }
  for (const key of ['rank_pattern', 'alpha_pattern']) {
    for (const pattern of Object.keys((raw[key] as object | null) ?? {}))
      if (isBroken(pattern)) problems.push(`${key}: ${pattern} is not a pattern that can be read here`);
  }
  if (typeof raw.exclude_modules === 'string' && isBroken(raw.exclude_modules))
    problems.push(`exclude_modules: ${raw.exclude_modules} is not a pattern that can be read here`);
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
