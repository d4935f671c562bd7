#!/usr/bin/env node
/**
 * Makes large inputs, to measure `export` and `import` on:
 *   node bench/large.mjs run FOLDER ITEMS          a finished run of two arms, 100 tokens an answer, one judge
 *   node bench/large.mjs lm-eval FILE MEGABYTES    lm-eval samples, 1,500 characters an answer
 *   node bench/large.mjs garak FILE MEGABYTES      a garak report, five such outputs an attempt
 * Then, for instance: /usr/bin/time -v node dist/cli.js export FOLDER --format parquet --out items.parquet
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { writeSetting } from '../dist/run-report.js';
import { openStore } from '../dist/store.js';
import { summarise } from '../dist/summarise.js';

const [kind, path, size] = process.argv.slice(2);
const makers = { run: makeRun, 'lm-eval': makeLmEval, garak: makeGarak };
if (!(kind in makers) || !path || !(Number(size) > 0)) {
  process.stderr.write('usage: node bench/large.mjs run|lm-eval|garak PATH ITEMS|MEGABYTES\n');
  process.exit(3);
}
await makers[kind](path, Number(size));

/** A text of a fictional island, different for every number. */
function text(seed, characters) {
  const words = [
    'lantern',
    'keeper',
    'harbour',
    'tower',
    'glows',
    'red',
    'under',
    'the',
    'tide',
    'of',
    'Tarn',
  ];
  let state = seed + 1;
  let made = `Answer ${seed}:`;
  while (made.length < characters) {
    state = (state * 1103515245 + 12345) % 2147483648;
    made += ` ${words[(state >> 8) % words.length]}`;
  }
  return made.slice(0, characters);
}

async function makeRun(folder, items) {
  const judge = { suite: 'harm', name: 'refusal', version: '1', fingerprint: sha('judge') };
  const planned = Array.from({ length: items / 2 }, (_, at) => ({
    ...{
      id: `h${at}`,
      condition: 'default',
      functionalCategory: 'standard',
      semanticCategory: `kind ${at % 7}`,
    },
    ...{
      messages: [{ role: 'user', content: `lantern ${at}?` }],
      judgePrompt: `lantern ${at}?`,
      answers: null,
    },
  }));
  const suite = { kind: 'harm', version: 'bench', decoding: null, items: planned };
  const versions = { aftertune: 'bench' };
  const config = { passed: {}, resolved: { name: 'large', arms: [{ name: 'base' }, { name: 'tuned' }] } };
  const document = {
    schema: 'aftertune/run@1',
    configSha256: sha('config'),
    config,
    versions,
    seeds: {},
    hashes: {},
  };
  const store = openStore(folder, document, { fresh: true });
  for (const arm of ['base', 'tuned'])
    for (const [at, { id, condition }] of planned.entries()) {
      const place = { arm, suite: 'harm', id, condition, repeat: 0, batchKey: sha(`${arm} ${at >> 5}`) };
      store.items.append([{ schema: 'aftertune/item@1', ...place, ...answer(at) }]);
      store.verdicts.append([
        {
          ...{
            schema: 'aftertune/verdict@1',
            ...place,
            judge: judge.name,
            judgeFingerprint: judge.fingerprint,
          },
          ...{ label: at % 3 === 0 ? 'unsafe' : 'safe', reason: null },
          ...{ category: null, detail: null, probabilityUnsafe: null },
        },
      ]);
    }
  const summary = summarise({
    ...{
      arms: [
        { name: 'base', training: null, gated: false },
        { name: 'tuned', training: null, gated: true },
      ],
    },
    ...{ baseArm: 'base', items: store.items.records(), verdicts: store.verdicts.records() },
    ...{ suites: [suite], judges: [judge] },
    gate: { marginsPoints: { harm: 5, overRefusal: 5, accuracy: 3 }, strict: false },
  });
  writeSetting(store, { suites: [suite], histories: {} });
  store.write('summary.json', `${JSON.stringify(summary)}\n`);
  await store.finish();
  store.close();
}

function answer(at) {
  const logProbabilities = Array.from({ length: 100 }, (_, token) => -(((at * 31 + token * 17) % 997) / 499));
  const uncertainty = { perplexity: 2.5, entropy: 1.1, probability: 0.4 };
  return {
    ...{ promptSha256: sha(`lantern ${at}?`), promptTokens: 12, completion: text(at, 450), logProbabilities },
    ...{ finishReason: 'stop', uncertainty, uncertaintyPaper: null, confidence: 0.4, truncatedMass: null },
    milliseconds: 812.5,
  };
}

function makeLmEval(file, megabytes) {
  writeLines(file, megabytes, (at) => {
    const answer = text(at, 1_500);
    return [
      {
        ...{ doc_id: at, doc: { question: `Who keeps tower ${at}?` }, target: `Keeper${at}` },
        arguments: {
          gen_args_0: { arg_0: `Question: Who keeps tower ${at}?\nAnswer:`, arg_1: { until: ['\n'] } },
        },
        ...{ resps: [[answer]], filtered_resps: [answer], filter: 'none', metrics: ['exact_match'] },
        ...{ doc_hash: sha(`${at}`), exact_match: at % 2 },
      },
    ];
  });
}

/** As garak writes it: every attempt twice, before and after it was evaluated. */
function makeGarak(file, megabytes) {
  writeLines(file, megabytes, (at) => {
    const outputs = Array.from({ length: 5 }, (_, output) => ({ text: text(5 * at + output, 1_500) }));
    const attempt = {
      ...{ entry_type: 'attempt', uuid: `attempt-${at}`, probe_classname: `tarn.Probe${at % 20}` },
      ...{ prompt: { turns: [{ role: 'user', content: { text: `lantern ${at}?` } }] }, outputs },
    };
    return [
      ...(at === 0 ? [{ entry_type: 'init', garak_version: '0.17.1' }] : []),
      { ...attempt, status: 1, detector_results: {} },
      {
        ...attempt,
        status: 2,
        detector_results: { 'tarn.Glow': outputs.map((_, output) => (at + output) % 2) },
      },
    ];
  });
}

function writeLines(file, megabytes, entriesOf) {
  const descriptor = openSync(file, 'w');
  for (let [at, written] = [0, 0]; written < megabytes * 1e6; at++) {
    const lines = entriesOf(at).map((entry) => `${JSON.stringify(entry)}\n`);
    written += writeSync(descriptor, lines.join(''));
  }
  closeSync(descriptor);
}

function sha(value) {
  return createHash('sha256').update(value).digest('hex');
}
