#!/usr/bin/env node
/**
 * Plays the Python side of trainer `trl`: node fake-trl.mjs BEHAVIOUR CONFIG. Its losses fall by a tenth a step, its
 * adapter is the initial one with every value moved; BEHAVIOUR says what goes wrong.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [behaviour, config] = process.argv.slice(2);
const folder = dirname(config);
const settings = JSON.parse(readFileSync(config, 'utf8'));
const fail = (text, code = 1) => {
  process.stderr.write(`Traceback (most recent call last):\n${text}\n`);
  process.exit(code);
};
appendFileSync(join(folder, 'starts'), 'started\n');

if (behaviour === 'module') fail("ModuleNotFoundError: No module named 'trl'");
if (behaviour === 'memory') fail('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB');
if (behaviour === 'processes') fail('4 rows a step cannot be shared by 3 processes: …');
if (behaviour === 'fsdp') fail('FSDP 1 loses the adapter');
if (behaviour === 'taken') fail('another process trains in this folder');
if (behaviour === 'torchrun') {
  const elastic = 'torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1) local_rank: 1';
  const told = Array.from({ length: 200 }, (_, at) => `  rank: ${at}, exitcode: -15, error_file: <N/A>`);
  fail(['ValueError: of the script', `E1126 06:41:27.927000 14347 ${elastic}`, ...told].join('\n'));
}
if (behaviour === 'exit') fail('ValueError: something else', 7);
if (behaviour === 'secret') fail(`401 Client Error for token ${process.env.PLAY_TOKEN}`);
if (behaviour === 'submitted') process.exit(0);

const progress = join(folder, 'progress.jsonl');
const before = existsSync(progress) ? readFileSync(progress, 'utf8').trim().split('\n').length : 0;
for (let step = before + 1; step <= settings.steps; step++) {
  if (behaviour === 'short' && step === settings.steps) break;
  if (behaviour === 'diverged' && step === 3) fail('training diverged at step 3: loss nan');
  if (behaviour === 'killed' && step === 3) process.kill(process.pid, 'SIGKILL');
  const evaluated = settings.evaluateEvery && step % settings.evaluateEvery === 0;
  const line = {
    step,
    loss: 3 - step / 10,
    gradientNorm: 1,
    learningRate: 1e-3,
    ...(evaluated && { evaluationLoss: 2 }),
  };
  appendFileSync(progress, `${JSON.stringify(line)}\n`);
  if (behaviour === 'slow') await sleep(step < 3 ? 20 : 60_000);
}

const adapter = join(folder, 'adapter');
cpSync(join(folder, 'initial'), adapter, { recursive: true });
const weights = join(adapter, 'adapter_model.safetensors');
const bytes = readFileSync(weights);
const start = 8 + Number(bytes.readBigUInt64LE(0));
for (let at = start; at < bytes.length && behaviour !== 'unchanged'; at += 4)
  bytes.writeFloatLE(bytes.readFloatLE(at) + 0.25, at);
if (behaviour === 'nan') bytes.writeFloatLE(Number.NaN, start);
writeFileSync(weights, bytes);
const changes = {
  rank: { r: 8 },
  base: { base_model_name_or_path: 'another/base' },
  targets: { target_modules: ['q_proj'] },
  alpha: { lora_alpha: 99 },
}[behaviour];
const described = join(adapter, 'adapter_config.json');
writeFileSync(
  described,
  JSON.stringify({ ...JSON.parse(readFileSync(described, 'utf8')), aftertune: undefined, ...changes }),
);
const adapterSha256 = createHash('sha256')
  .update(behaviour === 'torn' ? bytes.subarray(0, 100) : bytes)
  .digest('hex');
const job = behaviour === 'stranger' ? 'another' : settings.job;
writeFileSync(
  join(folder, 'finished.tmp'),
  JSON.stringify({ job, adapterSha256, device: 'play', versions: {} }),
);
renameSync(join(folder, 'finished.tmp'), join(folder, 'finished.json'));
