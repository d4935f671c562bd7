#!/usr/bin/env node
/** Writes bench/RESULTS.md from the raw runs in bench/results/: node bench/peers/report.mjs */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { scaleLines } from '../scale/report.mjs';
import { viewerLines } from '../viewer-report.mjs';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (value, digits = 0) =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
const resultOf = (run) => run.tokensPerSecond ?? run.seconds ?? run.nll ?? run.gigaflopsPerSecond;

const sections = [
  [
    'training',
    'LoRA fine-tuning, equal rows',
    '4 rows of 256 tokens, half of them labelled, r 16 on seven projections, AdamW; 2 steps after one that is not counted. Non-padding tokens per second.',
    'PEFT, fp32',
  ],
  [
    'real-rows',
    'LoRA fine-tuning, rows of real lengths',
    '200 rows of 24 to 768 tokens (log-normal, median 130) in 12 steps of 16 after one that is not counted; ours lays the rows of a step into packs side by side, PEFT pads micro-batches of 4 rows sorted by length. Non-padding tokens per second.',
    'PEFT, fp32, sorted by length',
  ],
  [
    'generation',
    'Generation with the ten largest log-probabilities',
    '64 prompts of 90 to 110 tokens, 64 new tokens each, greedy, nothing stops early. New tokens per second, reading the prompts included.',
    'transformers, one batch of 64',
  ],
  [
    'eight-bits',
    'Generation, 8-bit weights',
    'The same file for both; 32 prompts in parallel.',
    'llama.cpp, Q8_0',
  ],
  [
    'four-bits',
    'Generation, 4-bit weights',
    'The same file for both; 32 prompts in parallel.',
    'llama.cpp, Q4_0',
  ],
  [
    'likelihood',
    'What quantisation costs',
    'Mean negative log-likelihood, nats, of eight texts that the F32 model wrote (greedy, 200 tokens each, after random prompts), token by token as in generating: 8-bit activations included.',
    null,
  ],
  [
    'drift',
    "The paper's drift loop",
    "100 questions of the fictional world in three conditions, at most 64 new tokens; transformers answers one call at a time, as the paper's notebook. Seconds.",
    'transformers, one call each',
  ],
  ['start', 'Engine start', "From weights in memory to the first layer's output, seconds.", null],
  [
    'large',
    'A model of 1.5 billion parameters',
    'Two steps of 2 × 256 tokens on random bfloat16 weights of the Qwen2.5-1.5B shape (3.1 GB).',
    null,
  ],
];

/** SmolLM2-135M. */
const smolLm2 = { hidden: 576, inner: 1536, queries: 576, keys: 192, layers: 30, vocabulary: 49152 };
/** Multiplications and additions of a layer's matrices, per token. */
const attentionFlops = 2 * smolLm2.hidden * (2 * smolLm2.queries + 2 * smolLm2.keys);
const layerFlops = attentionFlops + 2 * 3 * smolLm2.hidden * smolLm2.inner;

/** One layer's adapters and attention scores, multiplications and additions per token, at rank 16 and 256 tokens. */
const adapterFlops = (() => {
  const { hidden, inner, queries, keys } = smolLm2;
  const widths = [
    ...[hidden + queries, hidden + keys, hidden + keys, queries + hidden],
    ...[hidden + inner, hidden + inner, inner + hidden],
  ];
  return 2 * 16 * widths.reduce((a, b) => a + b, 0);
})();
const scoreFlops = 4 * 256 * smolLm2.queries;

/** Per token of a training step, by part: what the products of matrices take; half of the tokens are labelled. */
export function trainingParts({ recomputed }) {
  const { hidden, layers, vocabulary } = smolLm2;
  return {
    forward: layers * (layerFlops + adapterFlops + scoreFlops),
    gradients:
      layers *
      (layerFlops +
        2 * adapterFlops +
        2 * scoreFlops +
        (recomputed ? attentionFlops + adapterFlops + scoreFlops : 0)),
    head: 4 * vocabulary * hidden * 0.5,
  };
}

/** The sum of the parts. */
export const trainingFlops = (mode) => Object.values(trainingParts(mode)).reduce((a, b) => a + b, 0);

function table(runs, baseline) {
  const speed = (name) => median(runs[name].map(resultOf));
  const seconds = runs[Object.keys(runs)[0]][0].seconds !== undefined;
  const lines = [
    '| | median | range | against the peer | peak memory, MB | output |',
    '|---|---:|---:|---:|---:|---|',
  ];
  for (const [name, own] of Object.entries(runs)) {
    const values = own.map(resultOf);
    const digits =
      own[0].nll !== undefined ? 4 : Math.max(...values) < 10 ? 2 : Math.max(...values) < 100 ? 1 : 0;
    const agrees = own.every(sameOutput) && (runs[baseline] ?? []).every(sameOutput);
    const ratio =
      !baseline || !runs[baseline]
        ? ''
        : seconds
          ? speed(baseline) / speed(name)
          : speed(name) / speed(baseline);
    const peak = median(own.map((run) => run.peakMegabytes));
    lines.push(
      `| ${name} | ${figure(median(values), digits)} | ${figure(Math.min(...values), digits)}–${figure(Math.max(...values), digits)} | ${ratioText(ratio, agrees)} | ${figure(peak)} | ${outputText(own)} |`,
    );
  }
  return lines;
}

/** A ratio is of contenders who did the same; of others it stands in brackets. */
const ratioText = (ratio, agrees) =>
  ratio === '' ? '' : agrees ? `${figure(ratio, 2)}×` : `(${figure(ratio, 2)}×)`;

/** Losses within 1e-3 of the first contender's; of answers, nine in ten that begin with the same token. */
export function sameOutput({ agreement }) {
  if (!agreement) return true;
  if (agreement.largestLossDifference !== undefined) return agreement.largestLossDifference < 1e-3;
  return agreement.equalFirst >= 0.9 * agreement.rows;
}

/** How the outputs compare with those of the first contender's first run. */
function outputText(runs) {
  const found = runs.map((run) => run.agreement).filter(Boolean);
  if (found.length === 0) return '';
  if (found[0].largestLossDifference !== undefined) {
    const worst = Math.max(...found.map((entry) => entry.largestLossDifference));
    return worst === 0 ? 'losses equal' : `losses within ${worst.toExponential(1)}`;
  }
  const worst = found.reduce((a, b) => (b.equalRows < a.equalRows ? b : a));
  return `${worst.equalRows} of ${worst.rows} answers equal`;
}

/** `viewer`: what bench/viewer.mjs measured; `scale`: bench/scale/run.mjs. */
export function resultsDocument({ machine, versions, tasks }, viewer, scale) {
  const lines = [
    '# Beside the peers',
    '',
    'Written by `node bench/peers/report.mjs` from `bench/results/peers.json`, which `npm run bench:peers` measures: every contender in a process of its own, rounds interleaved, warm-up left out, medians. A ratio in brackets is of contenders whose outputs differ: losses by more than 1e-3, or more than a tenth of the answers from the first token on.',
    '',
    `Machine: ${machine.processor}, ${machine.threads} threads, ${machine.memoryGigabytes} GiB; Node ${machine.node}; ${Object.entries(
      versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}. Model: SmolLM2-135M-Instruct, float32 unless a row says otherwise.`,
    '',
  ];
  for (const [task, title, what, baseline] of sections) {
    if (!tasks[task]) continue;
    const rounds = Math.max(...Object.values(tasks[task]).map((runs) => runs.length));
    lines.push(
      `## ${title}`,
      '',
      `${what} ${rounds === 1 ? 'One run.' : `${rounds} rounds.`}`,
      '',
      ...table(tasks[task], baseline),
      '',
    );
    if (task === 'training' && tasks.gemm) lines.push(...boundLines(tasks), '');
    if (task === 'generation' && tasks.profile && tasks.gemm) lines.push(profileText(tasks, baseline), '');
  }
  lines.push(...viewerLines(viewer), '', ...scaleLines(scale));
  return `${lines.join('\n').trimEnd()}\n`;
}

const productSpeed = (tasks) => median(tasks.gemm[Object.keys(tasks.gemm)[0]].map(resultOf));

/** What bounds generation: how fast each part runs, and what products alone would allow. */
function profileText(tasks, baseline) {
  const runs = tasks.profile.ours;
  const { spent, tokens, seconds } = runs.find((run) => run.seconds === median(runs.map(resultOf)));
  const [layers, head] = [smolLm2.layers * layerFlops, 2 * smolLm2.vocabulary * smolLm2.hidden].map(
    (flops) => flops / 1e9,
  );
  const reached = productSpeed(tasks);
  const work = {
    reading: tokens.read * layers,
    decoding: tokens.decoded * layers,
    head: tokens.decoded * head,
  };
  const names = { reading: 'reading the prompts', decoding: 'layers in decoding', head: 'the head' };
  const parts = Object.keys(work).map(
    (part) =>
      `${names[part]} ${figure(spent[part], 1)} s (${figure(work[part] / spent[part])} GFLOP/s of products, ${figure((100 * work[part]) / spent[part] / reached)} %)`,
  );
  const bound = Object.values(work).reduce((a, b) => a + b) / reached;
  const peer = median(tasks.generation[baseline].map(resultOf));
  const limit = tokens.decoded / bound / peer;
  return `What bounds it: of ${figure(seconds, 1)} s for one batch of 32, ${parts.join(', ')}; a product alone reaches ${figure(reached)} GFLOP/s. Were all of it products at that speed, it would take ${figure(bound, 1)} s, ${figure(limit, 2)}× the peer. The rest of decoding goes to attention over the cache and to small operators between the products; LOG.md has the profile.`;
}

function boundLines(tasks) {
  const reached = productSpeed(tasks);
  const line = (name, recomputed) => {
    const flops = trainingFlops({ recomputed });
    const bound = (reached * 1e9) / flops;
    const share = median(tasks.training[name].map(resultOf)) / bound;
    return `- ${name}: ${figure(flops / 1e6)} MFLOP per token, bound ${figure(bound)} tokens/s, reached ${figure(100 * share)} %`;
  };
  return [
    `ONNX Runtime's matrix product alone reaches ${figure(reached)} GFLOP/s here (1024 × 576 × 1536). Against that bound, each mode with the arithmetic it does:`,
    '',
    line('ours, fast', false),
    line('ours, low memory', true),
    ...(tasks['training-profile'] ? ['', lowMemoryProfile(tasks)] : []),
  ];
}

/** Where a layered training's time goes, against what its products alone would take. */
function lowMemoryProfile(tasks) {
  const runs = tasks['training-profile']['ours, low memory'];
  const { spent, tokens, seconds } = runs.find((run) => run.seconds === median(runs.map(resultOf)));
  const reached = productSpeed(tasks);
  const names = { forward: 'forward', gradients: 'gradients, attention computed again', head: 'the head' };
  const parts = Object.entries(trainingParts({ recomputed: true })).map(([part, flops]) => {
    const speed = (tokens * flops) / 1e9 / spent[part];
    return `${names[part]} ${figure(spent[part], 1)} s (${figure(speed)} GFLOP/s of products, ${figure((100 * speed) / reached)} %)`;
  });
  const rest = seconds - Object.values(spent).reduce((a, b) => a + b);
  return `What bounds low memory: of ${figure(seconds, 1)} s for two steps, ${parts.join(', ')}, the rest (optimiser, embedding, batches) ${figure(rest, 1)} s. What is missing goes to what is no product: norms, SiLU, rotary embeddings, softmax, and copying each layer's outputs from session to session.`;
}

const raw = (name) => JSON.parse(readFileSync(new URL(`../results/${name}.json`, import.meta.url), 'utf8'));

/** `peers`: other raw runs of the engine than those that lie there. */
export function writeResults(peers = raw('peers')) {
  const text = resultsDocument(peers, raw('viewer'), raw('scale'));
  writeFileSync(fileURLToPath(new URL('../RESULTS.md', import.meta.url)), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeResults();
