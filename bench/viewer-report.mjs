/** The section on the viewer of bench/RESULTS.md, from bench/results/viewer.json, which `node bench/viewer.mjs` measures. */

const figure = (value, digits = 0) =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

export function viewerLines({ machine, linesPerSecond, grownSeconds, runs }) {
  const rows = runs.map(
    (run) =>
      `| ${figure(run.lines)} | ${figure(run.firstPageSeconds, 2)} | ${figure(run.caughtUpSeconds, 1)} | ${figure(run.readSeconds, 1)} | ${figure(run.updateMilliseconds, 1)} | ${figure(run.megabytes)} | ${figure(run.peakMegabytes)} | ${figure(run.listSeconds, 2)} |`,
  );
  return [
    '## Following a long run in the viewer',
    '',
    `Written by the same from \`bench/results/viewer.json\`, which \`node bench/viewer.mjs\` measures: \`aftertune view\` on a run of four arms and one judge, 100 tokens an answer, half of the journals' lines answers and half verdicts, whose plan is known. Caught up: from the first page, which tells how much is read, until all lines are counted. Then the run grows by ${figure(linesPerSecond)} lines a second for ${grownSeconds} seconds under an open page. Machine: ${machine.processor}, ${machine.threads} threads, ${machine.node}, with other work on it. One run.`,
    '',
    '| lines in the journals | first page, s | caught up, s | of it processor, s | processor per second of growth, ms | memory, MB | peak, MB | list of runs, s |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
  ];
}
