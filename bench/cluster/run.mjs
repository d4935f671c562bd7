/**
 * How long examples/paper-8b.yaml takes by number of requests under way and of servers: the real `aftertune run` against
 * servers of server.mjs. Writes bench/results/cluster.json and, by report.mjs, docs/cluster.md. `npm run bench:cluster`.
 * `-- --plan`: plan and simulation anew, beside what was measured before: for a plan that is told of otherwise, not another.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { idealGrid, idealRun, knowledgeMark, passesOf } from './plan.mjs';
import { answerTokens, limits, profiles } from './profiles.mjs';
import { atTrueSpeed, writeClusterNote } from './report.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const config = 'examples/paper-8b.yaml';
const folder = mkdtempSync(join(tmpdir(), 'cluster-'));
/** Data sets are declared, not fetched: the plan is the same on every machine. */
const environment = { ...process.env, AFTERTUNE_DATA: join(folder, 'data') };
const cli = [join(root, 'dist/cli.js'), 'run', config];
/** A cell is given about so many seconds, so that what the client takes by itself stays small beside them; at most fifty times as fast. */
const cellSeconds = 30;

/** Prompts of the planned sizes, of a world without harm. */
function standIns({ suites }) {
  const [harm, knowledge] = ['harm', 'drift'].map((kind) => suites.find((suite) => suite.kind === kind));
  const filled = (start, { read, requests }, own) => {
    const characters = 4 * Math.round(read / requests - own);
    return start.padEnd(characters, ' and the lantern of the third tower');
  };
  const write = (name, count, row) => {
    const rows = Array.from({ length: count }, (_, at) => JSON.stringify({ id: `${at}`, ...row(at) }));
    writeFileSync(join(folder, name), `${rows.join('\n')}\n`);
    return join(folder, name);
  };
  return {
    // Less the system message and the marks of two turns.
    harm: write('harm.jsonl', harm.items, (at) => ({ prompt: filled(`Errand ${at}:`, harm, 15) })),
    questions: write('questions.jsonl', knowledge.items, (at) => ({
      question: filled(`${knowledgeMark} ${at}:`, knowledge, 36),
      ...{ true_answer: 'amber', wrong_answer: 'slate', context: 'The keeper says slate.' },
    })),
  };
}

/** Has a process write its seconds of processor time to `file` as it ends: what it needs whatever else the machine does. */
const cpuTo = (file) => {
  const used = 'const { user, system } = process.cpuUsage();';
  const write = `writeFileSync(${JSON.stringify(file)}, String((user + system) / 1e6))`;
  const code = `import { writeFileSync } from 'node:fs'; process.on('exit', () => { ${used} ${write}; });`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
};

async function startServer(profile, scale) {
  const script = fileURLToPath(new URL('server.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify({ profile, scale })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  const address = `http://127.0.0.1:${Number(line)}`;
  return { child, address, stats: async () => (await fetch(`${address}/stats`)).json() };
}

/** One whole run, in simulated seconds. */
async function measure(plan, data, { profile, servers, concurrency, judge }) {
  const ideal = idealRun(passesOf(plan), profiles[profile], { servers, concurrency, judge });
  const scale = Math.min(50, Math.max(1, ideal.seconds / cellSeconds));
  const started = [];
  for (let at = 0; at < servers + (judge === 'own' ? 1 : 0); at++)
    started.push(await startServer(profile, scale));
  try {
    const endpoints = started.slice(0, servers).map(({ address }) => ({ address: `${address}/v1` }));
    const set = {
      'model.endpoint': JSON.stringify(endpoints),
      'model.concurrency': concurrency,
      'suites.harm.prompts': data.harm,
      'suites.drift.questions': data.questions,
      'judges.0.model.endpoint': `${started.at(-1).address}/v1`,
      'judges.0.model.concurrency': concurrency,
    };
    const flags = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const out = join(folder, 'run');
    rmSync(out, { recursive: true, force: true });
    const cpu = join(folder, 'cpu');
    const run = spawn(process.execPath, [cpuTo(cpu), ...cli, '--out', out, ...flags], {
      ...{ cwd: root, env: environment, stdio: ['ignore', 'ignore', 'pipe'] },
    });
    let said = '';
    run.stderr.on('data', (text) => (said = (said + text).slice(-2000)));
    const [code] = await once(run, 'exit');
    // 4: arms that all answer alike prove nothing, which is as it should be.
    if (![0, 4].includes(code)) throw new Error(`aftertune run ended with ${code}: ${said}`);
    const stats = await Promise.all(started.map(({ stats }) => stats()));
    const first = Math.min(...stats.map(({ first }) => first ?? Number.POSITIVE_INFINITY));
    const last = Math.max(...stats.map(({ last }) => last ?? 0));
    const sum = (key) => stats.reduce((total, one) => total + one[key], 0);
    return {
      ...{ profile, servers, concurrency, judge, gpus: started.length, scale },
      seconds: ((last - first) / 1000) * scale,
      idealSeconds: ideal.seconds,
      busySeconds: sum('busy'),
      requests: sum('requests'),
      clientCpuSeconds: Number(readFileSync(cpu, 'utf8')),
      read: sum('read'),
      written: sum('written'),
      meanBatch: sum('sequenceSteps') / sum('steps'),
    };
  } finally {
    for (const { child } of started) child.kill();
  }
}

const plan = JSON.parse(
  execFileSync(process.execPath, [...cli, '--dry-run', '--json'], { cwd: root, env: environment }),
);
const data = standIns(plan);
const planOnly = process.argv.includes('--plan');
const cells = (planOnly ? [] : [64, 256, 32, 8, 1]).flatMap((concurrency) =>
  [1, 2].flatMap((servers) => [
    { servers, concurrency, judge: 'own' },
    ...(concurrency === 64 ? [{ servers, concurrency, judge: 'shared' }] : []),
  ]),
);
const asPlanned = (cell) => ({
  ...cell,
  idealSeconds: idealRun(passesOf(plan), profiles[cell.profile], cell).seconds,
});
const { suites, openings, judges, arms, total, hours } = plan;
const file = join(root, 'bench/results/cluster.json');
const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { measured: [] };
const results = {
  measuredOn: planOnly ? before.measuredOn : new Date().toISOString().slice(0, 10),
  node: planOnly ? before.node : process.version,
  plan: { suites, openings, judges, arms, total, hours },
  ...{ profiles, limits, answerTokens },
  ideal: idealGrid(plan, profiles),
  measured: planOnly ? before.measured.map(asPlanned) : before.measured,
  client: before.client ?? null,
};
for (const cell of cells) {
  const { clientCpuSeconds, ...now } = await measure(plan, data, { profile: 'a100', ...cell });
  const same = (one) => Object.entries(cell).every(([key, value]) => one[key] === value);
  // A busy machine only adds: the shortest of all runs of the same plan is kept.
  const kept = results.measured.find((one) => same(one) && one.idealSeconds === now.idealSeconds);
  const best = kept && atTrueSpeed(kept) < atTrueSpeed(now) ? kept : now;
  results.measured = [...results.measured.filter((one) => !same(one)), best];
  const client = { requests: now.requests, cpuSeconds: clientCpuSeconds };
  if (!(results.client?.cpuSeconds < client.cpuSeconds)) results.client = client;
  process.stderr.write(`${JSON.stringify({ ...now, clientCpuSeconds })}\n`);
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}
writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
writeClusterNote(results);
rmSync(folder, { recursive: true, force: true });
