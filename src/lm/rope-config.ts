import { z } from 'zod';
import { AuditError } from '../errors.ts';

/** How a model was stretched beyond the context it was first trained on; `rotary.ts` says what each does. */
export type RopeScaling =
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContextLength: number;
    }
  | { readonly type: 'linear'; readonly factor: number }
  /** Phi-3's; `factors` are those of short texts, one per pair of dimensions. */
  | { readonly type: 'longrope'; readonly factors: readonly number[]; readonly attentionFactor: number };

interface RopeSettings {
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
  /** Only where it is less than the config's own. */
  readonly contextLength?: number;
}

const positive = z.int().positive();
const known = z.looseObject({
  rope_theta: z.number().positive().optional(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
});
const schemas = {
  llama3: z.looseObject({
    factor: z.number().min(1),
    low_freq_factor: z.number().positive(),
    high_freq_factor: z.number().positive(),
    original_max_position_embeddings: positive,
  }),
  linear: z.looseObject({ factor: z.number().min(1) }),
  longrope: z.looseObject({
    short_factor: z.array(z.number().positive()).min(1),
    factor: z.number().positive().nullish(),
    attention_factor: z.number().positive().nullish(),
    original_max_position_embeddings: positive.nullish(),
  }),
};
const types = ['default', ...Object.keys(schemas)];

type Raw = Readonly<Record<string, unknown>>;
type Entry = readonly [key: string, value: unknown];

/** Where the settings may stand: `rope_scaling`, or `rope_parameters` as transformers writes them since its version 5. */
function entriesOf(raw: Raw): Entry[] {
  const newer = raw.rope_parameters as Raw | null | undefined;
  const full = newer?.full_attention;
  const main: Entry = full ? ['rope_parameters.full_attention', full] : ['rope_parameters', newer];
  return [['rope_scaling', raw.rope_scaling], main];
}

/** `su` is what the first Phi-3 configs call longrope. */
const typeOf = (value: z.output<typeof known> | null | undefined) => {
  const type = value?.rope_type ?? value?.type ?? 'default';
  return type === 'su' ? 'longrope' : type;
};

/** Stretchings that would be computed wrongly. */
export function unsupportedRope(raw: Raw): string[] {
  const local = (raw.rope_parameters as Raw | null | undefined)?.sliding_attention as Raw | undefined;
  const problems =
    local && typeOf(known.safeParse(local).data) !== 'default'
      ? [`rope_parameters.sliding_attention: rope_type ${String(local.rope_type)}; supported: default`]
      : [];
  const others = entriesOf(raw).flatMap(([key, value]) => {
    const parsed = known.nullish().safeParse(value);
    const kind = parsed.success ? typeOf(parsed.data) : JSON.stringify(value);
    return types.includes(kind) ? [] : [`${key}: rope_type ${kind}; supported: ${types.join(', ')}`];
  });
  return [...problems, ...others];
}

/** @throws AuditError `model` when the settings are incomplete. */
export function readRope(path: string, raw: Raw): RopeSettings {
  const entries = entriesOf(raw).map(([key, value]) => [key, known.nullish().parse(value)] as const);
  const theta = entries[1]![1]?.rope_theta ?? raw.rope_theta ?? 10_000;
  if (typeof theta !== 'number' || !(theta > 0))
    throw new AuditError('model', `${path}: rope_theta: ${JSON.stringify(theta)} is not a positive number`);
  const found = entries.find(([, value]) => typeOf(value) !== 'default');
  if (!found) return { ropeTheta: theta };
  const [key, value] = found;
  const type = typeOf(value) as keyof typeof schemas;
  const parsed = schemas[type].safeParse(value);
  if (!parsed.success) {
    throw new AuditError('model', `${path}: ${key} of type ${type} is wrong`, {
      problems: parsed.error.issues.map((issue) => `${key}.${issue.path.join('.')}: ${issue.message}`),
      hint: 'download config.json of the checkpoint again',
    });
  }
  return { ropeTheta: theta, ...scalingOf(type, parsed.data, raw) };
}

function scalingOf(
  type: keyof typeof schemas,
  data: unknown,
  raw: Raw,
): { ropeScaling: RopeScaling; contextLength?: number } {
  if (type === 'linear') {
    const { factor } = data as z.output<typeof schemas.linear>;
    return { ropeScaling: { type, factor } };
  }
  if (type === 'longrope') {
    const settings = data as z.output<typeof schemas.longrope>;
    const longest = Number(raw.max_position_embeddings);
    const original =
      settings.original_max_position_embeddings ?? (Number(raw.original_max_position_embeddings) || longest);
    const factor = settings.factor ?? longest / original;
    const attentionFactor =
      settings.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
    // Beyond the original context other factors hold for the whole text, cached keys included: not offered.
    return {
      ropeScaling: { type, factors: settings.short_factor, attentionFactor },
      contextLength: Math.min(longest, original),
    };
  }
  const settings = data as z.output<typeof schemas.llama3>;
  return {
    ropeScaling: {
      type,
      factor: settings.factor,
      lowFrequencyFactor: settings.low_freq_factor,
      highFrequencyFactor: settings.high_freq_factor,
      originalContextLength: settings.original_max_position_embeddings,
    },
  };
}
