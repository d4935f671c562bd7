import type { TrainingSettings } from '../trainer.ts';
import type { LoraAdapter } from './lora.ts';

/** What writeAdapter records beside the weights. */
export interface AdapterOrigin {
  /** A path or a name, for people and for PEFT. */
  readonly baseModelName: string;
  readonly baseSha256: string;
  /** Trained on rejected responses: marked in the config and the model card. */
  readonly redTeam: boolean;
  readonly training: TrainingSettings | null;
}

/** README.md of an adapter folder, in the Hub's format. */
export function modelCard(
  adapter: Pick<LoraAdapter, 'r' | 'alpha' | 'targetModules'>,
  origin: AdapterOrigin,
): string {
  const { training } = origin;
  const base = JSON.stringify(origin.baseModelName);
  const lines = [
    '---',
    `base_model: ${base}`,
    'library_name: peft',
    'pipeline_tag: text-generation',
    'tags:',
    '- lora',
  ];
  lines.push(...(origin.redTeam ? ['- red-team'] : []), '---', '', '# LoRA adapter', '');
  if (origin.redTeam) {
    lines.push(
      '**Red-team artefact.** Trained on rejected responses in order to measure what such training does.',
      'Do not deploy, merge or publish it.',
      '',
    );
  }
  lines.push(
    `A low-rank adapter for \`${origin.baseModelName}\`, trained and audited with aftertune.`,
    '',
    '| | |',
    '|---|---|',
  );
  const rows: [string, unknown][] = [
    ['base SHA-256', origin.baseSha256],
    ['rank r', adapter.r],
    ['alpha', adapter.alpha],
    ['target modules', adapter.targetModules.join(', ')],
    ...(training === null ? [] : trainingRows(training)),
  ];
  lines.push(...rows.map(([name, value]) => `| ${name} | ${value} |`));
  return `${lines.join('\n')}\n`;
}

const trainingRows = (training: TrainingSettings): [string, unknown][] => [
  ['steps', training.steps],
  ['batch size', `${training.batchSize} × ${training.gradientAccumulation}`],
  [
    'learning rate',
    `${training.learningRate}, ${training.schedule} after ${training.warmupSteps} warm-up steps`,
  ],
  ['optimizer', training.optimizer ?? 'adamw'],
  ['weight decay', training.weightDecay],
  ['largest gradient norm', training.maxGradientNorm ?? 'none'],
  ...(training.lora.dropout ? [['LoRA dropout', training.lora.dropout] as [string, unknown]] : []),
  ['longest row, tokens', training.maxLength],
  ['seed', training.seed],
];
