#!/usr/bin/env node
/**
 * Measures the engine on a model of the SmolLM2-135M shape: LoRA training (layered), batched generation, memory; how
 * long the demo takes, and `--help`. Weights are random unless --model names a checkpoint: speed does not depend on them.
 *   npm run bench -- [--model DIR] [--json] [--steps N] [--threads N]
 * Each part runs in a process of its own, so that its peak memory is its own. Run it on an otherwise idle machine: a
 * second busy process halves every figure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const dist = (name) => new URL(`../dist/${name}.js`, import.meta.url);
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    json: { type: 'boolean', default: false },
    steps: { type: 'string', default: '4' },
    threads: { type: 'string', default: String(availableParallelism()) },
    part: { type: 'string' },
  },
});
const threads = Number(values.threads);
const { llama } = await import(dist('lm/architecture'));

const smolLm2 = {
  hiddenSize: 576,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  intermediateSize: 1536,
  vocabularySize: 49152,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 100000,
  contextLength: 8192,
  tiedEmbeddings: true,
  architecture: llama,
  eosTokenIds: [2],
  bosTokenId: 1,
};
const lora = {
  r: 16,
  alpha: 16,
  targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
};

async function openDecoder() {
  const { createDecoder } = await import(dist('lm/decoder'));
  const { decoderTensorShapes, openCheckpoint } = await import(dist('lm/checkpoint'));
  if (values.model) {
    const { readDecoderConfig } = await import(dist('lm/config'));
    const config = readDecoderConfig(values.model);
    const checkpoint = openCheckpoint(values.model, config);
    return createDecoder(
      config,
      new Map(checkpoint.names.map((name) => [name, checkpoint.read(name)])),
      threads,
    );
  }
  let state = 1; // a cheap generator: 135 million draws
  const draw = () => ((state = Math.imul(state, 1664525) + 1013904223) / 2 ** 31) * 0.035;
  const weights = new Map();
  for (const [name, shape] of decoderTensorShapes(smolLm2)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : draw();
    weights.set(name, data);
  }
  return createDecoder(smolLm2, weights, threads);
}

const tokens = (count, seed) =>
  Array.from({ length: count }, (_, i) => 20 + ((i * 7919 + seed * 104729) % 40000));
const secondsSince = (start) => Number(process.hrtime.bigint() - start) / 1e9;
const peakGigabytes = () => process.resourceUsage().maxRSS / 1024 ** 2;

/** 4 rows × 256 tokens, half of them labelled; the first step builds the sessions and is left out. */
async function measureTraining() {
  const { createLora } = await import(dist('lm/lora'));
  const { trainAdapter } = await import(dist('lm/train'));
  const { createRandom } = await import(dist('random'));
  const decoder = await openDecoder();
  const sequences = Array.from({ length: 4 }, (_, row) => ({
    ids: tokens(256, row),
    weights: Array.from({ length: 256 }, (_, i) => Number(i >= 128)),
  }));
  const settings = {
    lora,
    steps: Number(values.steps) + 1,
    batchSize: 4,
    gradientAccumulation: 1,
    learningRate: 2e-4,
    warmupSteps: 1,
    schedule: 'linear',
    weightDecay: 0.01,
    maxGradientNorm: 1,
    maxLength: 256,
    seed: 1,
  };
  const ends = [];
  const start = process.hrtime.bigint();
  await trainAdapter(decoder, createLora(decoder.config, lora, createRandom(1)), sequences, settings, () =>
    ends.push(secondsSince(start)),
  );
  const seconds = ends.at(-1) - ends[0];
  return {
    trainingTokensPerSecond: (4 * 256 * Number(values.steps)) / seconds,
    firstStepSeconds: ends[0],
    trainingPeakGigabytes: peakGigabytes(),
  };
}

/** Prompts of 112 tokens, 32 new ones; `decode` leaves the prefill out. */
async function measureGeneration() {
  const { generate } = await import(dist('lm/generate'));
  const decoder = await openDecoder();
  const run = async (batch, maxTokens) => {
    const prompts = Array.from({ length: batch }, (_, row) => tokens(112, row));
    const start = process.hrtime.bigint();
    const answers = await generate(
      decoder,
      null,
      prompts,
      prompts.map(() => 0),
      { maxTokens, temperature: 0, topP: 1, stopIds: new Set() },
    );
    return { seconds: secondsSince(start), count: answers.reduce((sum, answer) => sum + answer.length, 0) };
  };
  await run(1, 2);
  const figures = {};
  for (const batch of [1, 8, 16, 32]) {
    const prefill = await run(batch, 1);
    const whole = await run(batch, 33);
    figures[`batch${batch}`] = {
      decodeTokensPerSecond: (whole.count - prefill.count) / (whole.seconds - prefill.seconds),
      withPrefillTokensPerSecond: whole.count / whole.seconds,
      prefillTokensPerSecond: (batch * 112) / prefill.seconds,
    };
  }
  return { generation: figures, generationPeakGigabytes: peakGigabytes() };
}

/** The whole demo, from an installed state. */
async function measureDemo() {
  const { demo } = await import(dist('commands'));
  const out = mkdtempSync(join(tmpdir(), 'bench-demo-'));
  const start = process.hrtime.bigint();
  try {
    await demo({ out: join(out, 'run') }, { onProgress: () => {}, signal: new AbortController().signal });
    return { demoSeconds: secondsSince(start), demoPeakGigabytes: peakGigabytes() };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** Median of seven runs, process start to end. */
function measureHelp() {
  const cli = fileURLToPath(dist('cli'));
  if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run npm run build first');
  const times = Array.from({ length: 7 }, () => {
    const start = process.hrtime.bigint();
    const { status } = spawnSync(process.execPath, [cli, '--help'], { stdio: 'ignore' });
    if (status !== 0) throw new Error(`aftertune --help ended with ${status}`);
    return secondsSince(start) * 1000;
  });
  return { helpMilliseconds: times.sort((a, b) => a - b)[3] };
}

const parts = {
  training: measureTraining,
  generation: measureGeneration,
  demo: measureDemo,
  help: measureHelp,
};

function runPart(name) {
  process.stderr.write(`measuring ${name} …\n`);
  const args = [
    fileURLToPath(import.meta.url),
    '--part',
    name,
    '--steps',
    values.steps,
    '--threads',
    values.threads,
  ];
  if (values.model) args.push('--model', values.model);
  const result = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (result.status !== 0) throw new Error(`${name} could not be measured`);
  return JSON.parse(result.stdout);
}

function printTable(figures) {
  const line = (what, value, wanted = '') => `${what.padEnd(46)} ${value.padStart(14)}   ${wanted}\n`;
  const rows = [
    line(
      'LoRA training, layered, 4 × 256',
      `${figures.trainingTokensPerSecond.toFixed(0)} tokens/s`,
      'wanted: at least 220',
    ),
    line('  peak memory', `${figures.trainingPeakGigabytes.toFixed(2)} GB`, 'wanted: at most 1.5'),
    line('  first step, with building sessions', `${figures.firstStepSeconds.toFixed(1)} s`),
    ...Object.entries(figures.generation).flatMap(([batch, rates]) => [
      line(
        `generation, ${batch}, 112 + 32 tokens`,
        `${rates.decodeTokensPerSecond.toFixed(0)} tokens/s`,
        batch === 'batch8' ? 'wanted: at least 150' : '',
      ),
      line('  with prefill', `${rates.withPrefillTokensPerSecond.toFixed(0)} tokens/s`),
    ]),
    line('  peak memory', `${figures.generationPeakGigabytes.toFixed(2)} GB`),
    line('aftertune demo', `${figures.demoSeconds.toFixed(0)} s`, 'wanted: under 180'),
    line('  peak memory', `${figures.demoPeakGigabytes.toFixed(2)} GB`, 'wanted: under 2'),
    line('aftertune --help', `${figures.helpMilliseconds.toFixed(0)} ms`, 'wanted: under 150'),
  ];
  process.stdout.write(
    `${figures.processor}, ${figures.threads} threads, node ${figures.node}, ${figures.weights} weights\n${rows.join('')}`,
  );
  if (figures.loadAtStart > 0.5)
    process.stdout.write(
      `The machine was busy (load ${figures.loadAtStart.toFixed(1)}): these figures are too low.\n`,
    );
}

if (values.part) {
  process.stdout.write(JSON.stringify(await parts[values.part]()));
} else {
  const figures = {
    node: process.versions.node,
    processor: cpus()[0]?.model ?? 'unknown processor',
    threads,
    loadAtStart: loadavg()[0],
    weights: values.model ?? 'random',
    ...Object.assign({}, ...Object.keys(parts).map(runPart)),
  };
  if (!values.json) printTable(figures);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
