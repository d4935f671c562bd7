#!/usr/bin/env node
/**
 * Measures how fast a server is asked, beside promptfoo and Inspect AI, and what a million answers take:
 *   node bench/scale/run.mjs [--only throughput,peers,journal,million] [--rounds 3] [--items 20000] [--million 1000000]
 *     [--promptfoo FOLDER]  where `npm install promptfoo` was done   [--python PYTHON]  one that has inspect-ai and openai
 * The server (`server.mjs`) is a process of its own on this machine. Raw runs go to bench/results/scale.json, and
 * bench/RESULTS.md is written from them. Run it on an idle machine.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeResults } from '../peers/report.mjs';
import { bareClient, inspect, ours, promptfoo, versions } from './contenders.mjs';
import { journalShare } from './journal-share.mjs';
import { runMillion } from './million.mjs';
import { startServer } from './mock.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'throughput,peers,journal,million' },
    rounds: { type: 'string', default: '3' },
    items: { type: 'string', default: '20000' },
    'peer-items': { type: 'string', default: '4000' },
    million: { type: 'string', default: '1000000' },
    promptfoo: { type: 'string' },
    python: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('../results/scale.json', import.meta.url)) },
  },
});
const wanted = new Set(options.only.split(','));
const latencyMs = 20;
const connections = 64;
const scratch = mkdtempSync(join(tmpdir(), 'bench-scale-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const results = existsSync(options.out) ? JSON.parse(readFileSync(options.out, 'utf8')) : { throughput: {} };
results.machine = { processor: cpus()[0].model, threads: cpus().length, node: process.version };
results.setting = { latencyMs, connections };
const keep = () => {
  writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
  writeResults();
};

const server = await startServer(latencyMs);
const setting = { server, connections, scratch };
const contenders = {
  ...(wanted.has('throughput') && {
    'a bare client': () => bareClient(setting, Number(options.items)),
    aftertune: () => ours(setting, Number(options.items)),
  }),
  ...(wanted.has('peers') &&
    options.promptfoo && {
      promptfoo: () => promptfoo(setting, Number(options['peer-items']), options.promptfoo),
    }),
  ...(wanted.has('peers') &&
    options.python && {
      'Inspect AI': () => inspect(setting, Number(options['peer-items']), options.python),
    }),
};
for (const name of Object.keys(contenders)) results.throughput[name] = [];
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [name, run] of Object.entries(contenders)) {
    const found = await run();
    results.throughput[name].push(found);
    process.stderr.write(`${name}: ${JSON.stringify(found)}\n`);
  }
}
results.versions = { ...results.versions, ...versions(options) };
if (Object.keys(contenders).length > 0) keep();
server.stop();
if (wanted.has('journal')) {
  results.journal = [];
  for (const latency of [latencyMs, 0]) {
    results.journal.push(await journalShare(setting, Number(options.items), latency));
    process.stderr.write(`${JSON.stringify(results.journal.at(-1))}\n`);
  }
  keep();
}
if (wanted.has('million')) {
  const found = await runMillion({ connections, scratch, items: Number(options.million) });
  results.million = { ...found, load: loadavg()[2] };
  keep();
}
