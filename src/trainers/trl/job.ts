import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../../errors.ts';
import { packageRoot, readText, writeFileAtomic, writeFolderAtomic } from '../../files.ts';
import { sha256Json } from '../../hash.ts';
import { repositoryOf } from '../../hub/name.ts';
import type { Sequence } from '../../lm/batch.ts';
import { openCheckpoint } from '../../lm/checkpoint.ts';
import { type DecoderConfig, readDecoderConfig } from '../../lm/config.ts';
import { holdOut } from '../../lm/hold-out.ts';
import { createLora, type LoraAdapter, writeAdapter } from '../../lm/lora.ts';
import type { AdapterOrigin } from '../../lm/model-card.ts';
import { trainingOrder } from '../../lm/step-batches.ts';
import { loadChatTokenizer } from '../../lm/tokenizer.ts';
import { trainingSequence } from '../../lm/train.ts';
import { defaultOptions } from '../../model.ts';
import { createRandom } from '../../random.ts';
import type { TrainingJob, TrainingStep } from '../../trainer.ts';

/** A training as a folder that Python, here or on another machine, can do. */
export interface JobFolder {
  readonly directory: string;
  /** SHA-256 of everything that decides the outcome. */
  readonly id: string;
  readonly shape: DecoderConfig;
  /** What training begins with: the embedded trainer's own. */
  readonly initial: LoraAdapter;
  readonly origin: AdapterOrigin;
  /** What every step is of, from step 1 on. */
  readonly steps: readonly Pick<TrainingStep, 'tokens' | 'labelledTokens' | 'rows'>[];
}

export const scriptName = 'train_trl.py';
const packages = 'trl peft bitsandbytes';
/** What brings the script's packages. */
export const pipLine = `pip install ${packages}`;

const jobDocument = z.looseObject({ job: z.string() });

/**
 * Writes the job's folder, `.NAME.job` beside the adapter to be: rows and held-out rows as token ids and labels in the order
 * they are taken, the adapter that training begins with, config.json and the script. One that is there is kept.
 * @throws AuditError `config` when it is of another training; `data`, `model`, `unsupported` when rows or base do not fit.
 */
export async function prepareJob(job: TrainingJob): Promise<JobFolder> {
  const { modelDirectory, settings } = job;
  if (modelDirectory.endsWith('.gguf'))
    throw new AuditError('unsupported', `${modelDirectory}: TRL does not train on GGUF files`, {
      hint: 'name the safetensors model that it was made from, or use trainer: embedded',
    });
  const shape = readDecoderConfig(modelDirectory);
  const { training, heldOut } = encodeRows(job, shape);
  const lengths = training.map(({ ids }) => ids.length);
  const order = trainingOrder(lengths, settings);
  const base = await baseOf(modelDirectory, shape);
  const initial = createLora(shape, settings.lora, createRandom('lora', settings.seed));
  const origin = {
    baseModelName: base.name,
    baseSha256: base.sha256,
    redTeam: job.redTeam,
    training: settings,
  };
  const { checkpointEvery, ...decisive } = settings;
  const id = sha256Json({ base, rows: [training, heldOut], settings: decisive, redTeam: job.redTeam });
  const directory = join(
    dirname(resolve(job.outputDirectory)),
    `.${basename(resolve(job.outputDirectory))}.job`,
  );
  if (existsSync(directory)) refuseOtherJob(directory, id);
  else
    writeFolderAtomic(directory, (temporary) => {
      const write = (name: string, data: string | Iterable<Uint8Array>) =>
        writeFileAtomic(join(temporary, name), data);
      write('rows.jsonl', linesOf(order.map((row) => training[row]!)));
      write('held-out.jsonl', linesOf(heldOut));
      write(scriptName, readText(join(packageRoot, 'python', scriptName), 'config', 'script'));
      write('README.md', instructions);
      writeAdapter(join(temporary, 'initial'), initial, origin);
      write('config.json', `${JSON.stringify(document(job, id, base), null, 2)}\n`);
    });
  const perStep = settings.batchSize * settings.gradientAccumulation;
  const steps = Array.from({ length: settings.steps }, (_, step) => {
    const rows = order.slice(step * perStep, (step + 1) * perStep);
    const own = rows.map((row) => training[row]!);
    const sum = (count: (sequence: Sequence) => number) => own.reduce((total, row) => total + count(row), 0);
    return {
      tokens: sum(({ ids }) => ids.length),
      labelledTokens: sum(({ weights }) => weights.slice(1).filter((weight) => weight > 0).length),
      ...(settings.groupByLength && { rows }),
    };
  });
  return { directory, id, shape, initial, origin, steps };
}

function encodeRows(
  { rows, settings, modelDirectory, options = defaultOptions }: TrainingJob,
  shape: DecoderConfig,
) {
  const { enableThinking } = options;
  const tokenizer = loadChatTokenizer(modelDirectory, {
    vocabularySize: shape.vocabularySize,
    enableThinking,
  });
  const limit = Math.min(settings.maxLength, shape.contextLength);
  const { training, heldOut } = holdOut(rows, settings);
  const encode = ({ messages, id }: (typeof rows)[number]) =>
    trainingSequence(tokenizer, messages, limit, id);
  return { training: training.map(encode), heldOut: heldOut.map(encode) };
}

async function baseOf(path: string, shape: DecoderConfig) {
  const checkpoint = openCheckpoint(path, shape);
  try {
    return { path: resolve(path), name: repositoryOf(path), sha256: await checkpoint.sha256() };
  } finally {
    checkpoint.close();
  }
}

/** What the script is told: nothing of the environment, and no text of a row. */
function document({ settings }: TrainingJob, id: string, base: Awaited<ReturnType<typeof baseOf>>): object {
  const { lora, evaluation, packing: _, groupByLength: __, maxLength: ___, ...rest } = settings;
  return {
    schema: 'aftertune/trl-job@1',
    job: id,
    base,
    ...rest,
    precision: settings.precision ?? 'float32',
    optimizer: settings.optimizer ?? 'adamw',
    evaluateEvery: evaluation?.every ?? null,
    earlyStopping: settings.earlyStopping ?? null,
    checkpointEvery: settings.checkpointEvery ?? null,
    lora: { r: lora.r, alpha: lora.alpha, dropout: lora.dropout ?? 0 },
  };
}

/** One by one: together they may be longer than a string can be. */
function* linesOf(sequences: readonly Sequence[]): Generator<Uint8Array> {
  for (const { ids, weights } of sequences) {
    const labels = ids.map((id, at) => (weights[at]! > 0 ? id : -100));
    yield Buffer.from(`${JSON.stringify({ input_ids: ids, labels })}\n`);
  }
}

function refuseOtherJob(directory: string, id: string): void {
  let found: unknown;
  try {
    found = JSON.parse(readText(join(directory, 'config.json'), 'config', 'training job'));
  } catch {
    found = null;
  }
  if (jobDocument.safeParse(found).data?.job === id) return;
  throw new AuditError('config', `${directory}: holds another training`, {
    hint: 'restore what it was made with, or remove this folder to train from the start',
  });
}

const instructions = `# A training for TRL

1. Copy this folder to the machine that trains; there \`${pipLine}\`.
2. In it, run \`python ${scriptName} config.json\`, or under \`accelerate launch\` or \`torchrun\`.
   \`--base\` names the base model where it lies elsewhere on that machine. Started again, it goes on from its last checkpoint.
3. Copy the folder back, finished.json last: aftertune checks the adapter and takes it over.
`;
