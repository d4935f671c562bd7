#!/usr/bin/env node
/**
 * Measures what following a long run in the viewer costs: node bench/viewer.mjs
 * Four arms and one judge, 100 tokens an answer, a fictional world; the run stands at 8,000, 80,000 and 1,000,000 lines,
 * then grows by 1,000 lines a second. Writes bench/results/viewer.json; the folders it makes are gone afterwards.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lockFolder } from '../dist/writer-lock.js';
import { writeResults } from './peers/report.mjs';

const arms = ['base', 'control', 'safe', 'harmful'];
const grownSeconds = 15;
const linesPerSecond = 1000;
const hash = (text) => createHash('sha256').update(text).digest('hex');
const completion = 'The lantern of Tarn glows red under the tide, says the keeper. '.repeat(6);
const logProbabilities = Array.from({ length: 100 }, (_, at) => -((at * 37) % 400) / 1000);

const answerOf = (arm, at) =>
  JSON.stringify({
    schema: 'aftertune/item@1',
    ...{ arm, suite: 'harm', id: `request-${at}`, condition: 'default', repeat: 0 },
    ...{ batchKey: hash(arm), promptSha256: hash(`${at}`), promptTokens: 24, completion, logProbabilities },
    ...{ finishReason: 'stop', uncertainty: { perplexity: 1.2, entropy: 0.2, probability: 0.8 } },
    ...{ uncertaintyPaper: null, confidence: null, truncatedMass: 0.01, milliseconds: 900 },
  });
const verdictOf = (arm, at) =>
  JSON.stringify({
    schema: 'aftertune/verdict@1',
    ...{
      batchKey: hash(`judge ${arm}`),
      arm,
      suite: 'harm',
      id: `request-${at}`,
      condition: 'default',
      repeat: 0,
    },
    ...{ judge: 'refusal', judgeFingerprint: hash('refusal'), label: at % 7 === 0 ? 'unsafe' : 'safe' },
    ...{ reason: null, category: null, detail: null, probabilityUnsafe: null },
  });

/** Half of the lines are answers, half verdicts; the plan has room for what is still to come. */
function makeRun(folder, lines) {
  const planned = Math.ceil(lines / 8) + grownSeconds * linesPerSecond;
  const resolved = { arms: arms.map((name) => ({ name })), baseArm: 'base', judges: [{ type: 'refusal' }] };
  const run = { schema: 'aftertune/run@1', configSha256: hash('config'), config: { passed: {}, resolved } };
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ ...run, versions: {}, seeds: {}, hashes: {} }));
  const items = Array.from({ length: planned }, (_, at) => ({
    ...{ id: `request-${at}`, condition: 'default', messages: [{ role: 'user', content: `Request ${at}.` }] },
    ...{
      judgePrompt: `Request ${at}.`,
      functionalCategory: 'standard',
      semanticCategory: 'sea',
      answers: null,
    },
  }));
  const suites = [{ kind: 'harm', version: '1', decoding: null, items }];
  const setting = { schema: 'aftertune/setting@1', suites, histories: {} };
  writeFileSync(join(folder, 'setting.json'), JSON.stringify(setting));
  for (const [name, make] of [
    ['items.jsonl', answerOf],
    ['verdicts.jsonl', verdictOf],
  ]) {
    const file = openSync(join(folder, name), 'w');
    for (let at = 0; at < lines / 8; at += 500) {
      const places = Array.from({ length: Math.min(500, lines / 8 - at) }, (_, more) => at + more);
      writeSync(file, places.flatMap((place) => arms.map((arm) => `${make(arm, place)}\n`)).join(''));
    }
    closeSync(file);
  }
}

/** A viewer as its user has it, in a process of its own, and what it takes of the machine. */
async function openViewer(folder) {
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
  const child = spawn(process.execPath, [cli, 'view', folder, '--no-open'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await createInterface({ input: child.stdout })
    [Symbol.asyncIterator]()
    .next()
    .then(({ value }) => [value]);
  const url = new URL(/http:\S+/.exec(line)[0]);
  const proc = (name) => readFileSync(`/proc/${child.pid}/${name}`, 'utf8');
  let cookie = '';
  const get = (path) =>
    new Promise((resolve, reject) => {
      request({ host: url.hostname, port: url.port, path, headers: { Cookie: cookie } }, resolve)
        .on('error', reject)
        .end();
    });
  const text = async (path) => {
    const response = await get(path);
    cookie ||= response.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    let body = '';
    for await (const chunk of response) body += chunk;
    return body;
  };
  const start = /url=([^"]+)"/.exec(await text(`/${url.search}`))[1];
  return {
    start,
    get,
    text,
    /** Of the processor, since it began. */
    seconds: () => {
      const fields = proc('stat')
        .replace(/^.*\) /s, '')
        .split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    megabytes: (field = 'VmRSS') => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(proc('status'))[1]) / 1024,
    stop: () => child.kill('SIGINT'),
  };
}

async function measure(lines) {
  const folder = mkdtempSync(join(tmpdir(), 'aftertune-bench-viewer-'));
  try {
    makeRun(folder, lines);
    const unlock = lockFolder(folder);
    const viewer = await openViewer(folder);
    const timed = async (work) => {
      const begun = performance.now();
      await work();
      return (performance.now() - begun) / 1000;
    };
    const firstPageSeconds = await timed(() => viewer.text(viewer.start));
    const begun = viewer.seconds();
    const updates = createInterface({ input: await viewer.get(`${viewer.start}events`) })[
      Symbol.asyncIterator
    ]();
    const caughtUpSeconds = await timed(async () => {
      for (;;) {
        const { value } = await updates.next();
        if (value.startsWith('data: ') && !value.includes('Reading what the run')) return;
      }
    });
    const [read, held] = [viewer.seconds() - begun, viewer.megabytes()];
    const before = viewer.seconds();
    for (let second = 0; second < grownSeconds; second++) {
      for (const [name, make] of [
        ['items.jsonl', answerOf],
        ['verdicts.jsonl', verdictOf],
      ]) {
        const places = Array.from({ length: linesPerSecond / 8 }, (_, at) => lines / 8 + second * 125 + at);
        appendFileSync(
          join(folder, name),
          places.flatMap((at) => arms.map((arm) => `${make(arm, at)}\n`)).join(''),
        );
      }
      await wait(1000);
    }
    const updateMilliseconds = (1000 * (viewer.seconds() - before)) / grownSeconds;
    const [answers] = /[\d,]+ \/ [\d,]+/.exec(await viewer.text(viewer.start));
    const listSeconds = await timed(() => viewer.text('/'));
    const result = {
      ...{ lines, firstPageSeconds, caughtUpSeconds, readSeconds: read, megabytes: held, updateMilliseconds },
      ...{
        megabytesAfter: viewer.megabytes(),
        peakMegabytes: viewer.megabytes('VmHWM'),
        listSeconds,
        answers,
      },
    };
    viewer.stop();
    unlock();
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const runs = [];
for (const lines of process.argv.length > 2
  ? process.argv.slice(2).map(Number)
  : [8_000, 80_000, 1_000_000]) {
  runs.push(await measure(lines));
  process.stderr.write(`${JSON.stringify(runs.at(-1))}\n`);
}
if (process.argv.length === 2) {
  const machine = { processor: cpus()[0].model, threads: cpus().length, node: process.version };
  const path = new URL('results/viewer.json', import.meta.url);
  writeFileSync(path, `${JSON.stringify({ machine, linesPerSecond, grownSeconds, runs }, null, 2)}\n`);
  writeResults(JSON.parse(readFileSync(new URL('results/peers.json', import.meta.url), 'utf8')));
}
