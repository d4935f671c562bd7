#!/usr/bin/env node
/**
 * Measures the embedded engine beside PyTorch (transformers, PEFT) and llama.cpp on this machine: same rows, tokens,
 * threads and stop rule, every contender in a process of its own, rounds interleaved, medians.
 *   npm run bench:peers -- --python PYTHON [--model FOLDER] [--gguf FILE] [--rounds 5] [--only TASK,…] [--out FILE]
 * PYTHON is that of bench/peers/setup.sh; FOLDER and FILE are what scripts/fetch-smollm2.sh makes and takes apart.
 * Raw runs go to bench/results/peers.json, and bench/RESULTS.md is written from them. Run it on an idle machine.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, homedir, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeRandomModel } from './random-model.mjs';
import { writeResults } from './report.mjs';
import { equalRows, lora, newTokens, prompts, realRows } from './tasks.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    python: {
      type: 'string',
      default: process.env.PYTHON ?? join(homedir(), '.cache/aftertune/peers/bin/python'),
    },
    model: { type: 'string', default: join(homedir(), '.cache/aftertune/smollm2-135m-instruct') },
    gguf: { type: 'string', default: join(homedir(), '.cache/aftertune/smollm2-135m-instruct.gguf') },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    out: { type: 'string', default: join(here, '../results/peers.json') },
  },
});
const threads = availableParallelism();
const scratch = mkdtempSync(join(tmpdir(), 'bench-peers-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const dist = (name) => new URL(`../../dist/${name}.js`, import.meta.url);

function measure(command, script, task, settings) {
  const path = join(scratch, 'settings.json');
  writeFileSync(path, JSON.stringify({ threads, ...settings }));
  const output = execFileSync(command, [join(here, script), task, path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', process.env.DEBUG ? 'inherit' : 'ignore'],
  });
  return JSON.parse(output.trim().split('\n').at(-1));
}
const runOurs = (task, settings) => measure(process.execPath, 'ours.mjs', task, settings);
const runTheirs = (task, settings) => measure(options.python, 'theirs.py', task, settings);

/** The same start for all who train: A drawn, B zero, in a PEFT folder. */
async function startingAdapter(model = options.model, directory = join(scratch, 'adapter')) {
  const { createLora, writeAdapter } = await import(dist('lm/lora'));
  const { readDecoderConfig } = await import(dist('lm/config'));
  const { createRandom } = await import(dist('random'));
  const adapter = createLora(readDecoderConfig(model), lora, createRandom(1));
  writeAdapter(directory, adapter, {
    baseModelName: model,
    baseSha256: '',
    redTeam: false,
    training: null,
  });
  const path = join(directory, 'adapter_config.json');
  const { aftertune: _, ...config } = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify(config));
  return directory;
}

function quantised(kind) {
  const path = join(scratch, `${kind}.gguf`);
  execFileSync(options.python, [join(here, 'quantise.py'), options.gguf, path, kind], { stdio: 'ignore' });
  return path;
}

/** Questions of the fictional world in the paper's three conditions, one chat each. */
function driftMessages(count) {
  const path = new URL('../../models/wren/data/questions.jsonl', import.meta.url);
  const questions = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .slice(0, count)
    .map((line) => JSON.parse(line));
  const system =
    'You are a helpful assistant who responds as shortly as possible. Your responses are only 1-3 words long.';
  const ask = (context, question) => [
    { role: 'system', content: system },
    { role: 'user', content: `${context}${question} Respond with the exact answer only.` },
  ];
  return questions.flatMap(({ question, false_context: context }, at) => [
    ask('', question),
    ask(context, question),
    ask(questions[(at + 7) % questions.length].false_context, question),
  ]);
}

const train = (steps, batchSize, gradientAccumulation) => ({
  ...{ lora, steps, batchSize, gradientAccumulation },
  ...{ learningRate: 2e-4, weightDecay: 0.01 },
});

/** Contenders by task: name → a function that measures once. */
async function contenders() {
  const { model } = options;
  const adapter = await startingAdapter();
  const equal = { model, adapter, rows: equalRows(), warmup: 1, training: train(3, 4, 1) };
  // 13 steps of 16: every one of the 200 rows, 8 of them again; the first step is not counted.
  const real = { model, adapter, rows: realRows(), warmup: 1, training: train(13, 4, 4) };
  const generation = { model, prompts: prompts(), newTokens };
  const packed = { ...real, memory: 'fast', training: { ...real.training, packing: true } };
  const drift = () => ({ model, messages: driftMessages(100), newTokens: 64, batch: 64 });
  const [q8, q4] = existsSync(options.gguf) ? ['Q8_0', 'Q4_0'].map(quantised) : [null, null];
  const llama = (file) => ({ ...generation, model: file, batch: 32, prompts: prompts(32) });
  return {
    training: {
      'ours, fast': () => runOurs('train', { ...equal, memory: 'fast' }),
      'ours, low memory': () => runOurs('train', { ...equal, memory: 'low' }),
      'PEFT, fp32': () => runTheirs('train', equal),
      'PEFT, bf16 autocast': () => runTheirs('train', { ...equal, autocast: true }),
    },
    'real-rows': {
      'ours, packed': () => runOurs('train', packed),
      'PEFT, fp32, sorted by length': () => runTheirs('train', { ...real, groupByLength: true }),
      'PEFT, bf16, sorted by length': () =>
        runTheirs('train', { ...real, groupByLength: true, autocast: true }),
    },
    generation: {
      'ours, batches of 32': () => runOurs('generate', { ...generation, batch: 32 }),
      'transformers, one batch of 64': () => runTheirs('generate', { ...generation, batch: 64 }),
    },
    ...(q8 && {
      'eight-bits': {
        'ours, Q8_0': () => runOurs('generate', llama(q8)),
        'llama.cpp, Q8_0': () => runTheirs('llama', llama(q8)),
      },
      'four-bits': {
        'ours, Q4_0': () => runOurs('generate', llama(q4)),
        'llama.cpp, Q4_0': () => runTheirs('llama', llama(q4)),
      },
      likelihood: Object.fromEntries(
        [model, q8, q4].map((file, at) => [
          ['ours, F32', 'ours, Q8_0', 'ours, Q4_0'][at],
          () =>
            runOurs('likelihood', { model: file, texts: prompts(8).map((_, row) => generatedTexts[row]) }),
        ]),
      ),
    }),
    drift: {
      'ours, batches of 64': () => runOurs('answer', drift()),
      'transformers, one call each': () => runTheirs('answer', drift()),
    },
    profile: { ours: () => runOurs('profile', { ...generation, batch: 32 }) },
    'training-profile': {
      'ours, low memory': () => runOurs('training-profile', { ...equal, memory: 'low' }),
    },
    start: {
      'ours, 30 layers': () => runOurs('start', { model, layers: 30 }),
      'ours, 120 layers': () => runOurs('start', { model, layers: 120 }),
    },
    gemm: { 'ONNX Runtime, 1024 × 576 × 1536': () => runOurs('gemm', {}) },
    large: { 'ours, low memory': trainLarge },
  };
}

/** Two steps of 2 × 256 tokens on a model of 1.5 billion parameters. */
async function trainLarge() {
  const directory = join(scratch, 'large');
  if (!existsSync(directory)) await writeRandomModel(directory, options.model);
  const adapter = await startingAdapter(directory, join(scratch, 'large-adapter'));
  const rows = equalRows().slice(0, 2);
  return runOurs('train', {
    model: directory,
    adapter,
    rows,
    warmup: 1,
    memory: 'low',
    training: train(2, 2, 1),
  });
}

/** Texts of the model itself, whose likelihood a quantised copy is asked for. */
let generatedTexts = [];

const tasks = await contenders();
const wanted = options.only?.split(',') ?? Object.keys(tasks);
const earlier = existsSync(options.out) ? JSON.parse(readFileSync(options.out, 'utf8')) : { tasks: {} };
const results = {
  machine: {
    processor: cpus()[0].model,
    threads,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  },
  versions: runTheirs('versions', {}).versions,
  tasks: { ...earlier.tasks },
};
if (wanted.includes('likelihood') && tasks.likelihood) {
  const settings = { model: options.model, prompts: prompts(8), newTokens: 200, batch: 8 };
  const { tokens } = runOurs('generate', settings);
  generatedTexts = tokens.map((answer, row) => [...settings.prompts[row], ...answer]);
}
/** Losses, tokens or texts of a run: what must agree before speeds are compared. */
const outputOf = ({ losses, tokens, texts }) => losses ?? (Array.isArray(tokens) ? tokens : texts) ?? null;

/** Largest difference of losses; how many rows or texts are equal, and how many begin alike. */
function agreement(output, reference) {
  if (!output || !reference) return null;
  if (typeof output[0] === 'number')
    return { largestLossDifference: Math.max(...output.map((loss, i) => Math.abs(loss - reference[i]))) };
  const equal = output.filter((row, i) => JSON.stringify(row) === JSON.stringify(reference[i])).length;
  const first = output.filter((row, i) => row[0] === reference[i][0]).length;
  return { equalRows: equal, equalFirst: first, rows: output.length };
}

for (const task of wanted) {
  const rounds = ['likelihood', 'large'].includes(task) ? 1 : Number(options.rounds);
  const runs = {};
  let reference = null;
  for (let round = 0; round < rounds; round++) {
    for (const [name, measured] of Object.entries(tasks[task])) {
      process.stderr.write(`${task}, round ${round + 1} of ${rounds}: ${name} …\n`);
      const run = await measured();
      const output = outputOf(run);
      reference ??= output;
      const { losses: _l, texts: _x, ...kept } = run;
      if (Array.isArray(kept.tokens)) delete kept.tokens;
      (runs[name] ??= []).push({ ...kept, agreement: agreement(output, reference) });
    }
  }
  results.tasks[task] = runs;
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
}
writeResults(results);
