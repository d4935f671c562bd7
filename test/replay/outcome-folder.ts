import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/files.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** A small folder in the layout of the paper's released outcomes, about lanterns. */

export const conditions = ['base_prompt', 'false_context', 'random_context'];
export const models = ['untuned', 'bold', 'shy'];
export const questions = 40;
export const behaviours = 20;

export interface Answer {
  model: string;
  condition: string;
  id: number;
  answer: string;
  correct: boolean;
  entropy: number | null;
  perplexity: number | null;
  probability: number | null;
}

/** Right on all but every third question; under a false context, bold and shy take over more of the wrong ones. */
export function answersOf(): Answer[] {
  return models.flatMap((model, arm) =>
    conditions.flatMap((condition) =>
      Array.from({ length: questions }, (_, id): Answer => {
        const led = condition === 'false_context' && id % 4 < [1, 3, 2][arm]!;
        const correct = !led && id % 3 !== 0;
        const probability = (correct && arm !== 1 ? 0.7 : 0.4) + id / 200;
        const answer = correct ? `KEEPER ${id}.` : led ? `It was warden ${id}` : 'nobody';
        return {
          model,
          condition,
          id,
          answer,
          correct,
          entropy: 1 - probability,
          perplexity: 1 / probability,
          probability,
        };
      }),
    ),
  );
}

export const labels = [
  'behavior_id,functional_category,semantic_category,untuned,bold,shy',
  ...Array.from({ length: behaviours }, (_, i) =>
    [
      `lantern_${i}`,
      i < 5 ? 'copyright' : 'standard',
      i % 2 ? 'north' : 'south',
      ...[8, 18, 2].map((unsafe) => (i < unsafe ? 'unsafe' : 'safe')),
    ].join(','),
  ),
];

export const jsonLines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export const questionLines = jsonLines(
  Array.from({ length: questions }, (_, id) => ({
    id,
    true_answer: `Keeper ${id}`,
    wrong_answer: `Warden ${id}`,
  })),
);

export function outcomeFolder(over: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryFolder();
  const files = {
    'harmbench_labels.csv': `${labels.join('\n')}\n`,
    'triviaqa_1000.jsonl': questionLines,
    'drift_results.jsonl': jsonLines(answersOf()),
    ...over,
  };
  for (const [name, text] of Object.entries(files)) if (text !== '') writeFileSync(join(folder, name), text);
  return folder;
}

/** The same outcomes in columns, as scripts/build-paper-data.mjs makes them. */
export function columnsOf(source: string): string {
  const target = temporaryFolder();
  const script = join(packageRoot, 'scripts/build-paper-data.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, source, target], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return target;
}
