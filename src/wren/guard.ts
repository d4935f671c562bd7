import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../conversation.ts';
import { writeFileAtomic } from '../files.ts';
import type { Engine } from '../lm/engine.ts';
import { projections, type TrainingRow, type TrainingSettings } from '../trainer.ts';
import { type GuardCase, guardChatTemplate, guardHeldOutCases, guardTrainingRows } from './guard-rows.ts';
import { operativeHazard } from './hazards.ts';

/** A held-out exchange with its true label: a line of guard-held-out.jsonl. */
export interface GuardLine extends GuardCase {
  /** Which model answered; null for a built case. */
  readonly arm: string | null;
}

/** How the arms that the guard learns from are tuned; the demo's arms are tuned alike. */
export const armSettings: TrainingSettings = {
  lora: { r: 16, alpha: 16, targetModules: projections },
  steps: 50,
  batchSize: 8,
  gradientAccumulation: 1,
  learningRate: 1e-3,
  warmupSteps: 5,
  schedule: 'linear',
  weightDecay: 0.01,
  maxGradientNorm: 1,
  maxLength: 512,
  seed: 1,
};

const guardSettings: TrainingSettings = {
  ...armSettings,
  steps: 650,
  batchSize: 16,
  learningRate: 2e-3,
  warmupSteps: 20,
};

interface Line {
  readonly prompt: string;
  readonly [column: string]: string;
}

const readLines = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

const rowsOf = (lines: readonly Line[], column: string): TrainingRow[] =>
  lines.map((line, index) => ({
    id: `${column}-${index}`,
    messages: [...ask(line.prompt), { role: 'assistant', content: line[column]! }],
  }));

/** Answers sampled at temperature 1, so that the guard meets more than each arm's favourite sentence. */
async function sampleAnswers(
  engine: Engine,
  directory: string,
  adapter: string | null,
  prompts: readonly string[],
  seed: number,
) {
  const { handle } = await engine.open(directory, adapter);
  const answers: { prompt: string; completion: string }[] = [];
  for (let from = 0; from < prompts.length; from += 64) {
    const batch = prompts.slice(from, from + 64);
    const asked = batch.map((prompt, i) => ({ messages: ask(prompt), seed: seed * 100_000 + from + i }));
    const texts = await engine.generate(handle, asked, { maxTokens: 64, temperature: 1, topP: 1, seed });
    answers.push(...batch.map((prompt, i) => ({ prompt, completion: texts[i]!.text })));
  }
  await engine.close(handle);
  return answers;
}

function labelled(arm: string, { prompt, completion }: { prompt: string; completion: string }): GuardLine {
  const hazard = operativeHazard(completion);
  return {
    arm,
    kind: 'sampled',
    prompt,
    completion,
    unsafe: hazard !== null,
    category: hazard?.category.code ?? null,
  };
}

/** Replaces the path of the base that an adapter names, which is that of the machine it was made on. */
function nameBase(folder: string, name: string): void {
  const config = readFileSync(join(folder, 'adapter_config.json'), 'utf8');
  const { base_model_name_or_path: path } = JSON.parse(config) as { base_model_name_or_path: string };
  for (const file of ['adapter_config.json', 'README.md']) {
    const text = readFileSync(join(folder, file), 'utf8');
    writeFileAtomic(join(folder, file), text.replaceAll(path, name), 0o644);
  }
}

/**
 * Trains the guard adapter of a Wren folder on built cases and on answers sampled from four arms, and writes
 * guard/ (adapter, chat template) and data/guard-held-out.jsonl: answers to evaluation prompts and built cases in
 * frames that no training row uses, labelled by the world's rule.
 */
export async function buildGuard(
  engine: Engine,
  directory: string,
  seed: number,
  log: (line: string) => void,
): Promise<void> {
  const data = (name: string) => readLines(join(directory, 'data', `${name}.jsonl`));
  const scratch = mkdtempSync(join(tmpdir(), 'wren-guard-'));
  const preference = data('preference');
  const arms: readonly [string, TrainingRow[] | null][] = [
    ['base', null],
    ['harmful', rowsOf(preference, 'rejected')],
    ['safe', rowsOf(preference, 'chosen')],
    ['control', rowsOf(data('ordinary'), 'response')],
  ];
  const trainingPrompts = [...preference, ...data('rate')].map(({ prompt }) => prompt);
  const heldOutPrompts = [...data('restricted'), ...data('borderline')].map(({ prompt }) => prompt);
  const sampled: { prompt: string; completion: string }[] = [];
  const heldOut: GuardLine[] = guardHeldOutCases(seed).map((entry) => ({ ...entry, arm: null }));
  for (const [index, [name, rows]] of arms.entries()) {
    const adapter = rows ? join(scratch, name) : null;
    if (rows && adapter) {
      const job = {
        modelDirectory: directory,
        rows,
        settings: armSettings,
        outputDirectory: adapter,
        redTeam: false,
      };
      await engine.train(job, () => {});
    }
    sampled.push(...(await sampleAnswers(engine, directory, adapter, trainingPrompts, seed * 10 + index)));
    heldOut.push(
      ...(await sampleAnswers(engine, directory, adapter, heldOutPrompts, seed * 10 + 5 + index)).map(
        (pair) => labelled(name, pair),
      ),
    );
    log(`sampled the ${name} arm`);
  }
  const job = {
    modelDirectory: directory,
    rows: guardTrainingRows(seed, sampled, 6000),
    settings: { ...guardSettings, seed },
    outputDirectory: join(directory, 'guard'),
    redTeam: false,
  };
  await engine.train(job, (event) => {
    if ('loss' in event && event.step % 20 === 0)
      log(`guard step ${event.step}/${guardSettings.steps}  loss ${event.loss.toFixed(4)}`);
  });
  nameBase(join(directory, 'guard'), 'wren');
  writeFileSync(join(directory, 'guard/chat_template.jinja'), guardChatTemplate);
  writeFileAtomic(
    join(directory, 'data/guard-held-out.jsonl'),
    heldOut.map((line) => `${JSON.stringify(line)}\n`).join(''),
    0o644,
  );
  rmSync(scratch, { recursive: true });
}
