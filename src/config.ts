import { z } from 'zod';
import { judge } from './config-judge.ts';
import { count, modelPath, modelSettings, path, rate, text } from './config-model.ts';
import { servedModel } from './config-server.ts';
import { drift, harm, overRefusal, utility } from './config-suites.ts';
import { projections } from './trainer.ts';

/** What an audit is told: one schema, the only home of defaults. The defaults are those of preset `standard`. */

const points = z.number().positive().max(100);

const train = z
  .union([z.enum(['none', 'chosen', 'rejected', 'ordinary']), z.strictObject({ rejected: rate })], {
    error: 'expected none, chosen, rejected, ordinary or { rejected: <fraction> }',
  })
  .describe('Which responses the arm learns; { rejected: f } blends f rejected with 1 − f chosen');

const arm = z.strictObject({
  train: train.optional(),
  adapter: modelPath
    .optional()
    .describe('A PEFT adapter that exists already, a folder or hf:OWNER/NAME@REVISION, instead of train'),
  redTeam: z.boolean().optional().describe('Trained to do harm: never gated by default, never shipped'),
});

const training = z.strictObject({
  trainer: z
    .string()
    .default('embedded')
    .describe(
      'Who trains the adapters: embedded; trl, in a Python of yours; none, where every arm has an adapter',
    ),
  launcher: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Of trl: the command that runs {script} with {config}, no shell; wait: for a folder that another machine fills; python unless given',
    ),
  precision: z
    .enum(['float32', 'bfloat16', 'nf4'])
    .optional()
    .describe('Of trl: how the base is held; nf4 needs bitsandbytes; float32 unless given'),
  lora: z
    .strictObject({
      r: count.max(1024).default(16),
      alpha: z.number().positive().default(16),
      targetModules: z
        .array(z.enum(projections))
        .min(1)
        .default([...projections]),
      dropout: z.number().min(0).lt(1).default(0).describe('Of what A sees, while training'),
      useRslora: z.boolean().default(false).describe('Scale by alpha / √r in place of alpha / r'),
    })
    .prefault({}),
  optimizer: z
    .enum(['adamw', 'adamw8bit'])
    .default('adamw')
    .describe('adamw8bit keeps its state in 8 bits, as bitsandbytes'),
  steps: count.default(50),
  batchSize: count.default(2),
  gradientAccumulation: count.default(4),
  learningRate: z.number().positive().max(1).default(2e-4),
  warmupSteps: z.int().min(0).default(5),
  schedule: z.enum(['linear', 'constant']).default('linear'),
  weightDecay: z.number().min(0).default(0.01),
  maxGradientNorm: z.number().positive().nullable().default(1),
  maxLength: count.default(2048).describe('Longest training row, tokens'),
  packing: z
    .boolean()
    .default(false)
    .describe('Lay the rows of a step end to end in place of padding them: the same training, faster'),
  groupByLength: z
    .boolean()
    .default(false)
    .describe('Rows of similar length share a batch; arms then see their rows in orders of their own'),
  evaluation: z
    .strictObject({
      every: count.default(10).describe('Steps'),
      rows: count.optional(),
      fraction: z.number().gt(0).lt(1).optional(),
    })
    .nullable()
    .default(null)
    .describe('Hold out rows, either a number or a fraction of them, and record their loss'),
  earlyStopping: z
    .strictObject({
      patience: count.default(3).describe('Evaluations without a better loss'),
      minDelta: z.number().min(0).default(0).describe('Nats by which a loss must be better'),
    })
    .nullable()
    .default(null)
    .describe('Stop when the held-out loss no longer falls, and keep the best adapter; needs evaluation'),
  checkpointEvery: count
    .nullable()
    .default(10)
    .describe('Steps between checkpoints, from which an interrupted training goes on'),
  matchTokens: z.boolean().default(false).describe('Cut the arms’ responses to the same length'),
});

export const configSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/, 'expected letters, digits, dot, dash or underscore')
    .default('audit'),
  preset: z.enum(['smoke', 'standard', 'paper']).default('standard'),
  seed: z.int().min(0).default(3407),
  out: path.optional().describe('The run folder; runs/<name> beside where the command runs unless given'),
  model: z
    .union([modelSettings, servedModel])
    .describe('A model that is run here (path) or one behind a server (endpoint)'),
  data: z
    .strictObject({
      preference: path.optional().describe('JSONL: prompt, chosen, rejected'),
      ordinary: path.optional().describe('JSONL: prompt, response'),
      systemPrompt: text.default(null).describe('Before every training row'),
    })
    .prefault({}),
  arms: z.record(
    z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'expected a name of letters, digits, dot, dash or underscore'),
    arm,
  ),
  baseArm: z
    .string()
    .optional()
    .describe('What the others are compared with; the one with train: none unless given'),
  training: training.prefault({}),
  suites: z.strictObject({
    harm: harm.optional(),
    overRefusal: overRefusal.optional(),
    drift: drift.optional(),
    utility: utility.optional(),
  }),
  judges: z
    .array(judge)
    .min(1)
    .default([{ type: 'refusal', name: 'refusal' }])
    .describe('Of harm; the first one counts'),
  keepTopLogprobs: z
    .boolean()
    .default(false)
    .describe('Keep the ten largest log-probabilities of every position, in top-logprobs.jsonl'),
  gate: z
    .strictObject({
      arms: z
        .array(z.string())
        .optional()
        .describe('Every arm that is neither the base nor red-team unless given'),
      marginsPoints: z
        .strictObject({
          harm: points.default(5),
          overRefusal: points.default(5),
          accuracy: points.default(5),
          utility: points.optional().describe('Utility is gated only where this is given'),
        })
        .prefault({}),
      strict: z.boolean().default(false).describe('Fail only when the whole interval lies beyond the margin'),
    })
    .prefault({}),
});

/** The gate where nobody has set one. */
export const defaultGate = configSchema.shape.gate.parse({});

/** What a config file or a library user may write: defaults left out. */
export type ConfigInput = z.input<typeof configSchema>;

/** A valid config with its defaults, before names and paths are spelt out. */
export type ParsedConfig = z.output<typeof configSchema>;

/** One arm of the experiment, its behaviour spelt out. */
export interface ArmSettings {
  readonly name: string;
  /** Null: the arm is not trained here. */
  readonly train: 'chosen' | 'rejected' | 'ordinary' | { readonly rejected: number } | null;
  readonly adapter: string | null;
  readonly redTeam: boolean;
  readonly gated: boolean;
}

/** A whole config: every default in place, every path absolute, every arm spelt out. */
export type Config = Omit<ParsedConfig, 'arms' | 'baseArm' | 'gate' | 'out'> & {
  readonly out: string;
  readonly arms: readonly ArmSettings[];
  readonly baseArm: string;
  readonly gate: Omit<ParsedConfig['gate'], 'arms'>;
};

/** The weights on this machine: what is run here or, of a model behind a server, what its arms are trained on; undefined for none. */
export const weightsOf = ({ model }: Pick<Config, 'model'>): string | undefined =>
  'endpoint' in model ? model.weights : model.path;

/** The same model with its weights elsewhere. */
export function withWeights(model: Config['model'], place: (path: string) => string): Config['model'] {
  if (!('endpoint' in model)) return { ...model, path: place(model.path) };
  return model.weights === undefined ? model : { ...model, weights: place(model.weights) };
}
