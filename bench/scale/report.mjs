/** The section on scale of bench/RESULTS.md, from bench/results/scale.json. */

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (value, digits = 0) =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
const speedOf = (runs) => median(runs.map(({ itemsPerSecond }) => itemsPerSecond));

export function scaleLines({ machine, setting, versions, throughput, journal, million }) {
  return [
    ...(throughput.aftertune
      ? [
          '## Asking a server',
          '',
          introduction(machine, setting, versions),
          '',
          ...throughputTable(throughput),
          '',
        ]
      : []),
    ...(journal ? ['## The journal', '', journalText(journal), ''] : []),
    ...(million ? millionLines(million, machine.threads) : []),
  ];
}

const introduction = ({ processor, threads, node }, { latencyMs, connections }, versions) =>
  `A mock server in a process of its own on the same machine (${processor}, ${threads} threads; Node ${node}), ${latencyMs} ms for every answer, ${connections} connections: ${figure((1000 * connections) / latencyMs)} answers per second at best; what the server itself allows is what a bare client gets, which writes the same bytes to its sockets and looks at nothing but where an answer ends. Answers per second from the first request to the last answer, as the server sees it; the whole command (start, judging, report) beside it. ${peersText(versions)} Written by \`node bench/scale/run.mjs\` (\`bench/results/scale.json\`).`;

function peersText(versions = {}) {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return named.length === 0
    ? ''
    : `Peers: ${named.join(', ')}, each with as many connections and a check of every answer for a word.`;
}

function throughputTable(throughput) {
  const ours = speedOf(throughput.aftertune);
  const limit = speedOf(throughput['a bare client']);
  return [
    '| | items | answers/s | range | of the server’s limit | aftertune is | whole command, s | peak memory, MB |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...Object.entries(throughput).map(([name, runs]) => {
      const speeds = runs.map(({ itemsPerSecond }) => itemsPerSecond);
      const speed = median(speeds);
      const ratio = name === 'aftertune' || name === 'a bare client' ? '' : `${figure(ours / speed, 1)}×`;
      return `| ${name} | ${figure(runs[0].items)} | ${figure(speed)} | ${figure(Math.min(...speeds))}–${figure(Math.max(...speeds))} | ${figure((100 * speed) / limit, 1)} % | ${ratio} | ${figure(median(runs.map(({ wallSeconds }) => wallSeconds)), 1)} | ${figure(median(runs.map(({ peakMegabytes }) => peakMegabytes)))} |`;
    }),
  ];
}

const journalText = (runs) =>
  runs
    .map(
      ({ latencyMs, itemsPerSecond, journalShare, idleShare }) =>
        `With a server that ${latencyMs === 0 ? 'answers at once' : `takes ${latencyMs} ms`} (${figure(itemsPerSecond)} answers per second, profiled) the journal, its fsync included, takes ${figure(100 * journalShare, 1)} % of the main thread, which is idle for ${figure(100 * idleShare)} %.`,
    )
    .join(' ');

/** Server and run keep about two busy by themselves. */
const loadText = (load, threads) =>
  load > threads + 2
    ? ` The machine was busy with other work (load average ${figure(load)} on ${threads} threads): memory stands, times are upper bounds.`
    : '';

function millionLines(million, threads) {
  const { items, killedAfter, repeated, lines, peakMegabytes, memory } = million;
  const half = memory.filter(({ asked }) => asked > 0.05 * items && asked <= 0.25 * items);
  const late = memory.filter(({ asked }) => asked > 0.8 * items && asked < items);
  const around = (some) =>
    some.length === 0 ? '–' : `${figure(median(some.map(({ megabytes }) => megabytes)))} MB`;
  return [
    `## ${figure(items)} answers`,
    '',
    `${figure(items / 2)} prompts, each asked of two arms of a server that answers at once, judged by the phrase list; killed (SIGKILL) after ${figure(killedAfter)} answers and started again.${loadText(million.load, threads)}`,
    '',
    '| | |',
    '|---|---:|',
    `| memory while asking, median from 5 to 25 % of the answers | ${around(half)} |`,
    `| from 80 to 100 % | ${around(late)} |`,
    `| peak of the process that was killed | ${figure(peakMegabytes.killed)} MB |`,
    `| peak of the one that went on, with judging, summary and report | ${figure(peakMegabytes.resumed)} MB |`,
    `| from the second start to its first request | ${figure(million.resumeSeconds, 1)} s |`,
    `| from the last verdict to the end: summary, report, hashes | ${figure(million.reportSeconds, 1)} s |`,
    `| both commands together | ${figure(million.wallSeconds)} s |`,
    `| answers on record; asked more than once | ${figure(lines)}; ${figure(repeated)} |`,
    `| on disk | ${million.megabytesOnDisk.map(([name, size]) => `${name} ${figure(size)} MB`).join(', ')} |`,
    '',
  ];
}
