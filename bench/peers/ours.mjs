/**
 * One measurement of the embedded engine, as JSON on stdout: node bench/peers/ours.mjs TASK SETTINGS.json
 * SETTINGS: model (folder or GGUF file), adapter, threads, memory, and what the task needs. Warm-up is not counted.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';

const dist = (name) => new URL(`../../dist/${name}.js`, import.meta.url);
// A file: ONNX Runtime 1.30 overflows its stack in a process whose command line is some 30 kB long.
const [task, path] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(path, 'utf8'));
const threads = settings.threads ?? availableParallelism();
const seconds = (start) => (performance.now() - start) / 1000;
const peakMegabytes = () => process.resourceUsage().maxRSS / 1024;

async function openDecoder() {
  const { createBases, openModelFolder } = await import(dist('lm/base'));
  const { defaultOptions } = await import(dist('model'));
  const options = { ...defaultOptions, memory: settings.memory ?? 'auto' };
  return (await createBases(threads).use(await openModelFolder(settings.model), options)).decoder;
}

const toSequences = (rows) =>
  rows.map(({ ids, labelled }) => ({ ids, weights: ids.map((_, i) => Number(i >= ids.length - labelled)) }));

/** Steps of SFT on an adapter that PEFT reads too; the first step builds the sessions and is left out. */
async function train(watch = (decoder) => decoder) {
  const { readAdapter } = await import(dist('lm/lora'));
  const { trainAdapter } = await import(dist('lm/train'));
  const decoder = watch(await openDecoder());
  const adapter = readAdapter(settings.adapter, decoder.config);
  const steps = [];
  let start = performance.now();
  await trainAdapter(
    decoder,
    adapter,
    toSequences(settings.rows),
    {
      ...settings.training,
      schedule: 'constant',
      warmupSteps: 0,
      maxGradientNorm: null,
      maxLength: 1024,
      seed: 1,
    },
    (step) => {
      steps.push({ loss: step.loss, tokens: step.tokens, seconds: seconds(start) });
      start = performance.now();
    },
  );
  const counted = steps.slice(settings.warmup);
  const sum = (key) => counted.reduce((total, step) => total + step[key], 0);
  return { tokensPerSecond: sum('tokens') / sum('seconds'), losses: steps.map(({ loss }) => loss) };
}

/** Where the steps of a layered training spend their time: forward, gradients, the head; seconds of all counted steps. */
async function trainingProfile() {
  const stepsOf = { forward: [], gradients: [], head: [] };
  const timed = async (part, work) => {
    const began = performance.now();
    const result = await work();
    stepsOf[part].push(seconds(began));
    return result;
  };
  const result = await train((decoder) => ({
    ...decoder,
    layerForTraining: (...request) => timed('forward', () => decoder.layerForTraining(...request)),
    layerGradient: (...request) => timed('gradients', () => decoder.layerGradient(...request)),
    loss: (...request) => timed('head', () => decoder.loss(...request)),
  }));
  const { steps, batchSize, gradientAccumulation } = settings.training;
  const counted = (steps - settings.warmup) / steps;
  const spent = Object.fromEntries(
    Object.entries(stepsOf).map(([part, times]) => [
      part,
      times.slice(Math.round(times.length * (1 - counted))).reduce((a, b) => a + b, 0),
    ]),
  );
  const tokens = (steps - settings.warmup) * batchSize * gradientAccumulation * settings.rows[0].ids.length;
  return { seconds: tokens / result.tokensPerSecond, spent, tokens };
}

async function generateTokens() {
  const { generate } = await import(dist('lm/generate'));
  const decoder = await openDecoder();
  const decoding = { maxTokens: settings.newTokens, temperature: 0, topP: 1, stopIds: new Set() };
  const batches = [];
  for (let at = 0; at < settings.prompts.length; at += settings.batch)
    batches.push(settings.prompts.slice(at, at + settings.batch));
  await generate(
    decoder,
    null,
    batches[0],
    batches[0].map(() => 0),
    { ...decoding, maxTokens: 4 },
  );
  const start = performance.now();
  const answers = [];
  for (const batch of batches)
    answers.push(
      ...(await generate(
        decoder,
        null,
        batch,
        batch.map(() => 0),
        decoding,
      )),
    );
  const tokens = answers.map((answer) => answer.map(({ id }) => id));
  return { tokensPerSecond: tokens.flat().length / seconds(start), tokens };
}

/** Where one batch's generation spends its time: reading prompts, decoding layers, the head. */
async function profile() {
  const { generate } = await import(dist('lm/generate'));
  const decoder = await openDecoder();
  const spent = { reading: 0, decoding: 0, head: 0 };
  const timed = async (part, work) => {
    const start = performance.now();
    const result = await work();
    spent[part] += seconds(start);
    return result;
  };
  const watched = {
    ...decoder,
    layer: (...request) => timed(request[4] ? 'decoding' : 'reading', () => decoder.layer(...request)),
    distribution: (...request) => timed('head', () => decoder.distribution(...request)),
  };
  const batch = settings.prompts.slice(0, settings.batch);
  const decoding = { maxTokens: settings.newTokens, temperature: 0, topP: 1, stopIds: new Set() };
  const run = (maxTokens) =>
    generate(
      watched,
      null,
      batch,
      batch.map(() => 0),
      { ...decoding, maxTokens },
    );
  await run(4);
  for (const part of Object.keys(spent)) spent[part] = 0;
  const start = performance.now();
  await run(settings.newTokens);
  const read = batch.length * Math.max(...batch.map((ids) => ids.length));
  return {
    seconds: seconds(start),
    spent,
    tokens: { read, decoded: batch.length * (settings.newTokens - 1) },
  };
}

/** Chat prompts through the engine, as an audit asks them. */
async function answer() {
  const { createEngine } = await import(dist('lm/engine'));
  const engine = createEngine(threads);
  const { handle } = await engine.open(settings.model, null);
  const decoding = { maxTokens: settings.newTokens, temperature: 0, topP: 1, seed: 0 };
  const prompts = settings.messages.map((messages) => ({ messages, seed: 0 }));
  await engine.generate(handle, prompts.slice(0, 2), { ...decoding, maxTokens: 2 });
  const start = performance.now();
  const texts = [];
  const order = [...prompts.keys()].sort(
    (a, b) => JSON.stringify(prompts[a].messages).length - JSON.stringify(prompts[b].messages).length,
  );
  for (let at = 0; at < order.length; at += settings.batch) {
    const batch = order.slice(at, at + settings.batch);
    const answers = await engine.generate(
      handle,
      batch.map((i) => prompts[i]),
      decoding,
    );
    for (const [place, i] of batch.entries()) texts[i] = answers[place].text;
  }
  return { seconds: seconds(start), texts };
}

/** From a loaded checkpoint to the first layer's output: what a session costs. */
async function start() {
  const { createDecoder } = await import(dist('lm/decoder'));
  const { decoderTensorShapes } = await import(dist('lm/layer-tensors'));
  const { readDecoderConfig } = await import(dist('lm/config'));
  const { createBatch } = await import(dist('lm/batch'));
  const { loadRuntime } = await import(dist('onnx/session'));
  await loadRuntime();
  const config = { ...readDecoderConfig(settings.model), layers: settings.layers };
  const shared = new Map();
  const weights = new Map();
  for (const [name, shape] of decoderTensorShapes(config)) {
    const key = shape.join();
    if (!shared.has(key)) shared.set(key, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01));
    weights.set(name, shared.get(key));
  }
  const began = performance.now();
  const decoder = await createDecoder(config, weights, threads);
  const batch = createBatch([[1, 2, 3]]);
  await decoder.layer(0, decoder.embed(batch.ids), batch, null);
  return { seconds: seconds(began) };
}

/**
 * Mean negative log-likelihood of texts given as token ids, token by token with a cache, as generating computes them:
 * what quantised weights cost, and the activations that are rounded with them.
 */
async function likelihood() {
  const { advance } = await import(dist('lm/prefill'));
  const { createCache } = await import(dist('lm/cache'));
  const decoder = await openDecoder();
  const { layers, vocabularySize } = decoder.config;
  const length = Math.min(...settings.texts.map((ids) => ids.length));
  const cache = createCache(decoder.config, layers, settings.texts.length, length);
  let [sum, count] = [0, 0];
  for (let at = 0; at + 1 < length; at++) {
    const tokens = settings.texts.map((ids) => [ids[at]]);
    const states = await advance({ decoder, adapter: null }, cache, tokens, at === 0 ? 0 : cache.capacity);
    for (const row of cache.lengths.keys()) cache.lengths[row]++;
    const { logits } = await decoder.distribution(states, 1, true, true);
    for (const [row, ids] of settings.texts.entries()) {
      const own = logits.subarray(row * vocabularySize, (row + 1) * vocabularySize);
      const peak = own.reduce((a, b) => Math.max(a, b));
      const total = own.reduce((mass, value) => mass + Math.exp(value - peak), 0);
      sum += peak + Math.log(total) - own[ids[at + 1]];
      count++;
    }
  }
  return { nll: sum / count };
}

/** What ONNX Runtime's own matrix product reaches on this machine, GFLOP/s, at the shape of a training step. */
async function gemm() {
  const { createGraph, input } = await import(dist('onnx/graph'));
  const ops = await import(dist('onnx/ops'));
  const { createSession, feed } = await import(dist('onnx/session'));
  const [rows, columns, tokens] = [1536, 576, 1024];
  const graph = createGraph();
  const y = ops.gemm(graph, input(graph, 'x', [tokens, columns]), input(graph, 'w', [rows, columns]), null, {
    transposeB: true,
  });
  const w = await feed({ data: new Float32Array(rows * columns).fill(0.1), shape: [rows, columns] });
  const session = await createSession(graph, new Map([['y', ops.reduceSum(graph, y, [0, 1])]]), {
    threads,
    fixed: { w },
  });
  const x = await feed({ data: new Float32Array(tokens * columns).fill(0.1), shape: [tokens, columns] });
  for (let i = 0; i < 5; i++) await session.run({ x });
  const began = performance.now();
  const repeats = 60;
  for (let i = 0; i < repeats; i++) await session.run({ x });
  return { gigaflopsPerSecond: (2 * rows * columns * tokens * repeats) / seconds(began) / 1e9 };
}

const tasks = {
  train: () => train(),
  'training-profile': trainingProfile,
  generate: generateTokens,
  profile,
  answer,
  start,
  likelihood,
  gemm,
};
const result = await tasks[task]();
process.stdout.write(`${JSON.stringify({ ...result, peakMegabytes: peakMegabytes() })}\n`, () =>
  process.exit(0),
);
