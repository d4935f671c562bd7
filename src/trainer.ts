import type { Conversation } from './conversation.ts';
import type { ModelOptions } from './model.ts';

export const projections = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;
export type Projection = (typeof projections)[number];

export interface LoraSettings {
  readonly r: number;
  readonly alpha: number;
  readonly targetModules: readonly Projection[];
  /** Share of what A sees that is dropped out while training, [0, 1). */
  readonly dropout?: number;
  /** Scale by alpha / √r in place of alpha / r. */
  readonly useRslora?: boolean;
}

/** Rows that are not trained on: a number of them or a fraction of all, asked every so many steps and after the last. */
export interface EvaluationSettings {
  readonly every: number;
  readonly rows?: number | undefined;
  readonly fraction?: number | undefined;
}

/** Stops after `patience` evaluations in a row without a loss lower than the best one by more than `minDelta` nats. */
export interface EarlyStoppingSettings {
  readonly patience: number;
  readonly minDelta: number;
}

/** PEFT/TRL's words in camelCase; what is left out is off. */
export interface TrainingSettings {
  readonly lora: LoraSettings;
  /** Unless given: adamw. */
  readonly optimizer?: 'adamw' | 'adamw8bit';
  readonly steps: number;
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly schedule: 'linear' | 'constant';
  readonly weightDecay: number;
  /** Largest global gradient norm; null: no clipping. */
  readonly maxGradientNorm: number | null;
  readonly maxLength: number;
  /** Lays the rows of a step end to end, each attending to itself alone, in place of padding them. */
  readonly packing?: boolean;
  /** Rows of similar length share a micro-batch. */
  readonly groupByLength?: boolean;
  readonly evaluation?: EvaluationSettings | null;
  /** Needs `evaluation`; the adapter with the lowest evaluation loss is kept. */
  readonly earlyStopping?: EarlyStoppingSettings | null;
  /** Steps between checkpoints, from which an interrupted training goes on. */
  readonly checkpointEvery?: number | null;
  /** How a trainer in Python holds the base; float32 unless given, as the embedded one multiplies. */
  readonly precision?: 'float32' | 'bfloat16' | 'nf4' | undefined;
  readonly seed: number;
}

/** The last message is the assistant's: the only one whose tokens carry loss. */
export interface TrainingRow {
  readonly id: string;
  readonly messages: Conversation;
}

export interface TrainingStep {
  /** From 1. */
  readonly step: number;
  /** Mean negative log-likelihood per labelled token of the step, nats. */
  readonly loss: number;
  /** Global L2 norm before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly labelledTokens: number;
  /** Mean negative log-likelihood per labelled token of the held-out rows after this step, nats; where it was asked for. */
  readonly evaluationLoss?: number | undefined;
  /** The rows of the step by their place among those trained on, where grouping by length changed their order. */
  readonly rows?: readonly number[] | undefined;
}

/** How far the evaluation after a step has come. */
export interface EvaluationProgress {
  readonly step: number;
  /** Share of the held-out rows' batches, 0–1. */
  readonly evaluated: number;
}

export interface TrainingJob {
  readonly modelDirectory: string;
  /** Where the base runs and how it is asked; left out: `defaultOptions`. */
  readonly options?: ModelOptions;
  readonly rows: readonly TrainingRow[];
  readonly settings: TrainingSettings;
  /** Becomes a PEFT adapter folder; written whole or not at all. Checkpoints lie beside it until then. */
  readonly outputDirectory: string;
  /** Trained on rejected responses: marked so in adapter_config.json and the model card. */
  readonly redTeam: boolean;
  readonly onStep?: (step: TrainingStep) => void;
  readonly onEvaluation?: (progress: EvaluationProgress) => void;
  /** Told what has to be done elsewhere before training goes on. */
  readonly onWait?: (what: string) => void;
  readonly signal?: AbortSignal;
}

export interface TrainedAdapter {
  readonly directory: string;
  /** SHA-256 of adapter_model.safetensors. */
  readonly sha256: string;
  readonly history: readonly TrainingStep[];
}

export interface Trainer {
  readonly name: string;
  train(job: TrainingJob): Promise<TrainedAdapter>;
  /** Versions of what it runs on, by package; null where that cannot be known. @throws AuditError when it cannot run. */
  versions?(): Promise<Readonly<Record<string, string>> | null>;
}

/** What a trainer is told beside its jobs. */
export interface TrainerOptions {
  /** The command that runs a trainer in Python. */
  readonly launcher?: string | undefined;
}
