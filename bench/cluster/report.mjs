/**
 * The tables of docs/cluster.md from bench/results/cluster.json: `node bench/cluster/report.mjs`. What stands between
 * the two marks is written here and nowhere else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const marks = [
  '<!-- written by bench/cluster/report.mjs -->',
  '<!-- until here by bench/cluster/report.mjs -->',
];
const path = new URL('../../docs/cluster.md', import.meta.url);

const count = (value) => Math.round(value).toLocaleString('en-US');
const minutes = (seconds) => (seconds / 60).toFixed(1);
const percent = (share) => `${Math.round(100 * share)} %`;
const table = (header, rows) => [
  `| ${header.join(' | ')} |`,
  `|${header.map((_, at) => (at === 0 ? '---' : '---:')).join('|')}|`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];

/** The note with its tables as the results have them. */
export function clusterNote(text, results) {
  const [start, end] = marks.map((mark) => text.indexOf(mark));
  if (start < 0 || end < start) throw new Error('internal: docs/cluster.md lacks its marks');
  return [text.slice(0, start + marks[0].length), '', ...tables(results), '', text.slice(end)].join('\n');
}

export function writeClusterNote(results) {
  writeFileSync(path, clusterNote(readFileSync(path, 'utf8'), results));
}

function tables(results) {
  return [
    '### The plan',
    '',
    ...planTables(results),
    '',
    '### GPU hours on paper',
    '',
    ...paperTables(results),
    '',
    '### A client that is never late',
    '',
    ...idealTables(results),
    '',
    '### The real client, over HTTP',
    '',
    ...measuredTables(results),
    '',
    '### What follows',
    '',
    ...conclusions(results),
  ];
}

function planTables({ plan: { suites, openings, judges, arms, total } }) {
  const row = (name, { requests, read, written }) => [name, count(requests), count(read), count(written)];
  return [
    '`aftertune run examples/paper-8b.yaml --dry-run --json`. Written tokens are the most there can be.',
    '',
    ...table(
      ['part', 'requests', 'tokens read', 'tokens written, at most'],
      [
        ...suites.map((suite) => row(`${suite.kind}, each of ${arms.length} arms`, suite)),
        row('openings, of the base alone', openings),
        ...judges.map((judge) => row(`judge ${judge.name}`, judge)),
        row('together', total),
      ],
    ),
  ];
}

/** Seconds of one GPU for so many tokens, with n sequences always under way. */
const onPaper = ({ stepMs, perSequenceMs, readPerSecond }, { read, written }, n) =>
  (written * (stepMs / n + perSequenceMs)) / 1000 + read / readPerSecond;

function paperTables({ plan, profiles, answerTokens, ideal }) {
  const drawn = ideal[0];
  return [
    'A step that writes one token for each of n sequences takes a + b·n; prompts are read beside it. These are **declared parameters**, from others’ measurements, for an 8B model in 16 bits; put your own into `bench/cluster/profiles.mjs` (`vllm bench serve` at one request and at 64) and run `npm run bench:cluster`.',
    '',
    ...table(
      ['GPU', 'a, ms', 'b, ms', 'read, tokens/s', 'source'],
      Object.values(profiles).map(({ label, stepMs, perSequenceMs, readPerSecond, source }) => [
        ...[label, stepMs, perSequenceMs, count(readPerSecond), source],
      ]),
    ),
    '',
    `GPU hours of the whole plan with n sequences always under way: with the most tokens there can be (${count(plan.total.written)} written), and with answers as they tend to be (${count(drawn.written)}: harm prompts ${answerTokens.harm} tokens in the mean, knowledge ${answerTokens.knowledge}, verdicts ${answerTokens.judge}; an assumption).`,
    '',
    ...table(
      ['GPU', ...[8, 32, 64].map((n) => `at most, n = ${n}`), ...[8, 32, 64].map((n) => `likely, n = ${n}`)],
      Object.values(profiles).map((profile) => [
        profile.label,
        ...[plan.total, drawn].flatMap((tokens) =>
          [8, 32, 64].map((n) => (onPaper(profile, tokens, n) / 3600).toFixed(2)),
        ),
      ]),
    ),
  ];
}

const cellOf = (ideal, wanted) =>
  ideal.find((cell) => Object.entries(wanted).every(([key, value]) => cell[key] === value));

function idealTables({ ideal, profiles, limits }) {
  const concurrencies = [1, 8, 32, 64, 256];
  const rows = Object.entries(profiles).flatMap(([profile, { label }]) =>
    [1, 2].map((servers) => [
      `${label}, ${servers === 1 ? 'one server' : 'two servers'}`,
      ...concurrencies.map((concurrency) =>
        minutes(cellOf(ideal, { profile, servers, concurrency, times: 1 }).seconds),
      ),
    ]),
  );
  return [
    `Minutes of the whole plan with likely answers, by requests under way (\`model.concurrency\`, the judge’s too), every suite of every arm after the other as the audit asks them; at most ${limits.maxSequences} sequences and ${count(limits.maxBatchedTokens)} tokens a step on one server. Servers share what is under way.`,
    '',
    ...table(['arms on', ...concurrencies], rows),
  ];
}

/** Most seconds that a cell would take unhurried: what client and machine took beyond the ideal was not sped up. */
export const atTrueSpeed = ({ seconds, idealSeconds, scale }) =>
  idealSeconds + Math.max(0, seconds - idealSeconds) / scale;

function measuredTables({ measured, measuredOn, node }) {
  const name = ({ servers, judge }) =>
    `${servers === 1 ? 'one' : 'two'} for the arms, the judge ${judge === 'own' ? 'on its own' : 'on the same'}`;
  const rows = [...measured]
    .sort((a, b) => a.servers - b.servers || a.judge.length - b.judge.length || a.concurrency - b.concurrency)
    .map((cell) => [
      ...[name(cell), cell.concurrency, minutes(cell.idealSeconds), minutes(atTrueSpeed(cell))],
      ...[minutes(cell.seconds), `${cell.scale.toFixed(1)}×`, cell.gpus],
      ((atTrueSpeed(cell) * cell.gpus) / 3600).toFixed(2),
    ]);
  return [
    `\`aftertune run\` itself against servers with the A100’s latencies (\`bench/cluster/server.mjs\`), time sped up; ${measuredOn}, Node ${node}, on two cores that client, servers and much other work shared, the shortest of the runs that were made. What client and machine take beyond the ideal is not sped up with the servers, so at a server’s true speed it weighs less by that factor: “true speed” is the ideal and the rest divided by it, an upper bound.`,
    '',
    `Asked were ${count(measured[0].requests)} requests: probes and canaries beside the plan’s, and no first tokens, since the stand-in answers refuse nothing.`,
    '',
    ...table(
      [
        'servers',
        'under way',
        'ideal, minutes',
        'at true speed, at most',
        'measured',
        'sped up',
        'GPUs',
        'GPU hours held',
      ],
      rows,
    ),
  ];
}

function conclusions({ ideal, client }) {
  const at = (profile, servers, concurrency, times = 1) =>
    cellOf(ideal, { profile, servers, concurrency, times }).seconds;
  const saved = (one, two) => percent(1 - two / one);
  const night = (profile) => Math.floor((12 * 3600) / at(profile, 1, 64));
  const busy = ({ busySeconds, seconds, gpus }) => busySeconds / (seconds * gpus);
  const own = cellOf(ideal, { profile: 'a100', servers: 1, concurrency: 64, times: 1 });
  const held = (servers) => ((at('a100', servers, 256, 10) / 3600) * (servers + 1)).toFixed(1);
  return [
    `- **Requests under way come first.** On one A100, 64 at once take ${minutes(at('a100', 1, 64))} minutes where one at a time takes ${minutes(at('a100', 1, 1))}: ${(at('a100', 1, 1) / at('a100', 1, 64)).toFixed(0)} times as long, for the same GPU. From 64 to 256 another ${saved(at('a100', 1, 64), at('a100', 1, 256))} goes.`,
    `- **A second server for the arms saves little at this size:** ${saved(at('a100', 1, 8), at('a100', 2, 8))} at 8 under way, ${saved(at('a100', 1, 64), at('a100', 2, 64))} at 64, ${saved(at('a100', 1, 256), at('a100', 2, 256))} at 256. A step costs nearly the same for half as many sequences, and neither the judge’s part nor the last long answer of every suite is halved.`,
    `- **At ten times the size** (ten such benchmarks, 256 under way) one, two and four servers take ${[1, 2, 4].map((servers) => minutes(at('a100', servers, 256, 10))).join(', ')} minutes and hold ${[1, 2, 4].map(held).join(', ')} GPU hours with the judge’s: the more servers, the larger the part in which they wait for the judge. (The simulated judge reads its whole prompt every time; vLLM’s prefix caching, on by default, would spare it the list of hazards.)`,
    `- **A judge on its own GPU saves no time:** it is asked when all arms have answered, so one of the two always waits (GPUs busy ${percent(busy(own))} of the time at 64 under way, with one server each). It saves memory, and that is the reason for it: two 8B models in 16 bits need more than 40 GB.`,
    `- **aftertune itself is no bottleneck:** ${((1000 * client.cpuSeconds) / client.requests).toFixed(1)} ms of a core a request, starting, journal and report included, against ${(client.requests / own.seconds).toFixed(0)} requests a second that an A100 answers with 64 under way (${percent(client.cpuSeconds / own.seconds)} of one core).`,
    `- **One machine is right** as long as one GPU holds the model and a night is long enough: in twelve hours at 64 under way an A100 does ${night('a100')} such plans, an H100 ${night('h100')}, an L4 ${night('l4')}.`,
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeClusterNote(JSON.parse(readFileSync(new URL('../results/cluster.json', import.meta.url), 'utf8')));
