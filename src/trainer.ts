import type { Conversation } from './conversation.ts';

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
}

/** PEFT/TRL's words in camelCase. */
export interface TrainingSettings {
  readonly lora: LoraSettings;
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
}

export interface TrainingJob {
  readonly modelDirectory: string;
  readonly rows: readonly TrainingRow[];
  readonly settings: TrainingSettings;
  /** Becomes a PEFT adapter folder; written whole or not at all. */
  readonly outputDirectory: string;
  /** Trained on rejected responses: marked so in adapter_config.json and the model card. */
  readonly redTeam: boolean;
  /** The chat template's `enable_thinking`; null or left out: its own default. */
  readonly enableThinking?: boolean | null;
  readonly onStep?: (step: TrainingStep) => void;
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
}
