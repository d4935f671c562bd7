import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot, writeFileAtomic } from '../files.ts';
import { llama } from '../lm/architecture.ts';
import type { Sequence } from '../lm/batch.ts';
import { decoderTensorShapes, writeCheckpoint } from '../lm/checkpoint.ts';
import type { DecoderConfig } from '../lm/config.ts';
import { createEngine } from '../lm/engine.ts';
import { initialWeights, type PretrainSettings, pretrain } from '../lm/pretrain.ts';
import { loadChatTokenizer } from '../lm/tokenizer.ts';
import { renderConversation, trainTokenizer, writeTokenizer } from './byte-pair.ts';
import { buildCorpus, corpusSize, mix, type PretrainRow } from './corpus.ts';
import { writeEvaluationData } from './evaluation.ts';
import { buildGuard } from './guard.ts';

/** `npm run build:wren`: makes the reference model from nothing but a seed. */

const vocabularySize = 2048;

const shape: Omit<DecoderConfig, 'eosTokenIds'> = {
  hiddenSize: 256,
  layers: 4,
  heads: 8,
  kvHeads: 4,
  headSize: 32,
  intermediateSize: 640,
  vocabularySize,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  contextLength: 512,
  tiedEmbeddings: true,
  architecture: llama,
  bosTokenId: null,
};

const recipe: Omit<PretrainSettings, 'seed' | 'threads'> = {
  learningRate: 2.5e-3,
  beta1: 0.9,
  beta2: 0.98,
  weightDecay: 0.05,
  warmupSteps: 80,
  flatShare: 0.55,
  finalShare: 0.02,
  maxGradientNorm: 1,
  tokensPerStep: 1792,
  epochs: 1,
};

/** Tokens of a row with their loss weights: the answer's weigh 1, the rest the row's prompt weight. */
function toSequences(directory: string, rows: readonly PretrainRow[]): Sequence[] {
  const tokenizer = loadChatTokenizer(directory, { vocabularySize });
  return rows.map(({ messages, promptWeight }) => {
    const { ids, labelled } = tokenizer.encodeForTraining(messages);
    return { ids, weights: labelled.map((isAnswer) => (isAnswer ? 1 : promptWeight)) };
  });
}

/** The recipe's tokenizer, corpus and training, written as one Hugging Face folder at the end. */
async function buildModel(directory: string, seed: number, size: number): Promise<void> {
  const started = Date.now();
  const scratch = mkdtempSync(join(tmpdir(), 'wren-'));
  const rows = buildCorpus(seed, size);
  const encoding = trainTokenizer(
    rows.slice(0, 20_000).map(({ messages }) => renderConversation(messages)),
    vocabularySize,
  );
  writeTokenizer(scratch, encoding, shape.contextLength);
  const config: DecoderConfig = { ...shape, eosTokenIds: loadChatTokenizer(scratch).eosTokenIds };
  const sequences = toSequences(scratch, rows);
  rmSync(scratch, { recursive: true });
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  console.error(
    `${rows.length} rows, ${tokens} tokens, the longest row ${Math.max(...sequences.map(({ ids }) => ids.length))}`,
  );

  const weights = initialWeights(config, seed);
  const curve = ['step,loss,learning_rate,gradient_norm,tokens'];
  let seen = 0;
  await pretrain(config, weights, sequences, { ...recipe, seed, threads: availableParallelism() }, (step) => {
    seen += step.tokens;
    curve.push(
      [
        step.step,
        step.loss.toFixed(4),
        step.learningRate.toPrecision(4),
        step.gradientNorm.toFixed(3),
        step.tokens,
      ].join(),
    );
    if (step.step % 20 && step.step !== step.steps) return;
    const seconds = (Date.now() - started) / 1000;
    const left = (seconds * (tokens - seen)) / seen / 60;
    console.error(
      `step ${step.step}/${step.steps}  loss ${step.loss.toFixed(3)}  ${(seen / seconds).toFixed(0)} tokens/s  ${left.toFixed(1)} min left`,
    );
  });
  const shapes = decoderTensorShapes(config);
  const tensors = new Map(
    [...shapes].map(([name, dimensions]) => [name, { shape: dimensions, data: weights.get(name)! }]),
  );
  writeCheckpoint(directory, config, tensors, {
    dtype: 'BF16',
    fill(folder) {
      writeTokenizer(folder, encoding, config.contextLength);
      writeEvaluationData(join(folder, 'data'), seed);
      writeFileAtomic(join(folder, 'loss.csv'), `${curve.join('\n')}\n`, 0o644);
      const facts = { seed, rows: rows.length, tokens, mix, settings: recipe };
      writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(facts, null, 2)}\n`, 0o644);
    },
  });
  console.error(`done in ${((Date.now() - started) / 60000).toFixed(1)} min`);
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: join(packageRoot, 'models/wren') },
    rows: { type: 'string', default: String(corpusSize) },
    /** `model`, `guard` or both. */
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
if (values.only !== 'guard') await buildModel(values.out, seed, Number(values.rows));
if (values.only !== 'model')
  await buildGuard(createEngine(), values.out, seed, (line) => console.error(line));
