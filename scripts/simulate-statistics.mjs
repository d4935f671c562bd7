/**
 * Whether the intervals and verdicts hold what they promise: coverage of 95 % intervals, false PASS at the margin, false FAIL
 * without a change, power at the planned number of items.
 *
 * Single completions are summed exactly over the binomial and the trinomial distribution, nothing is drawn. Repeated ones and
 * skewed values (BCa) are drawn from a seed. Run: npm run simulate (minutes; writes docs/statistics-simulation.md), or with
 * --quick --json for the exact part and a few draws as one JSON document.
 */
import { writeFileSync } from 'node:fs';
import { meanInterval } from '../dist/bootstrap.js';
import { boundedMeanInterval } from '../dist/bounded-mean.js';
import { createRandom } from '../dist/random.js';
import { mcnemarP, neededForPairs, tangoInterval, wilsonInterval } from '../dist/stats.js';
import { decideVerdict } from '../dist/verdict.js';

const quick = process.argv.includes('--quick');
const sizes = [30, 100, 320, 1000];
const rates = [0.02, 0.1, 0.5, 0.9];
const discordances = [0.02, 0.1, 0.3];
const margin = 0.05;
const inside = ([low, high], truth) => low <= truth && truth <= high;

const logFactorials = [0];
function logFactorial(n) {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push(logFactorials[i - 1] + Math.log(i));
  return logFactorials[n];
}
const logChoose = (n, k) => logFactorial(n) - logFactorial(k) - logFactorial(n - k);
/** k·ln p, where 0·ln 0 is 0. */
const logPower = (k, p) => (k === 0 ? 0 : k * Math.log(p));

/** Wilson's coverage: every possible count, weighed by its probability. */
function wilsonCoverage(n, p) {
  let covered = 0;
  for (let k = 0; k <= n; k++) {
    const probability = Math.exp(logChoose(n, k) + logPower(k, p) + logPower(n - k, 1 - p));
    if (inside(wilsonInterval(k, n), p)) covered += probability;
  }
  return covered;
}

/** What pairs give when `gain` of them turn positive and `loss` negative, over every possible outcome. */
function pairedOutcomes(n, gain, loss) {
  const totals = { coverage: 0, pass: 0, fail: 0, rejected: 0 };
  const discordant = gain + loss;
  for (let moved = 0; moved <= n; moved++) {
    const logMoved = logChoose(n, moved) + logPower(n - moved, 1 - discordant);
    for (let gained = 0; gained <= moved; gained++) {
      const lost = moved - gained;
      const probability = Math.exp(
        logMoved + logChoose(moved, gained) + logPower(gained, gain) + logPower(lost, loss),
      );
      if (!(probability > 1e-11)) continue;
      const interval = tangoInterval(gained, lost, n);
      if (inside(interval, gain - loss)) totals.coverage += probability;
      const ci95Points = [100 * interval[0], 100 * interval[1]];
      const evidence = {
        deltaPoints: (100 * (gained - lost)) / n,
        ci95Points,
        worstCaseHighPoints: ci95Points[1],
        unscoredShare: 0,
      };
      const verdict = decideVerdict(evidence, 100 * margin, false);
      if (verdict === 'PASS') totals.pass += probability;
      if (verdict === 'FAIL') totals.fail += probability;
      if (mcnemarP(gained, lost) <= 0.05) totals.rejected += probability;
    }
  }
  return totals;
}

/** The base rates at which so many pairs can turn either way. */
const feasibleRates = (gain, loss) =>
  rates.filter((rate) => loss <= rate + 1e-12 && gain <= 1 - rate + 1e-12);

function pairedTable() {
  return sizes.flatMap((n) =>
    discordances.flatMap((discordance) =>
      [0, Math.min(margin, discordance)].flatMap((delta) => {
        const [gain, loss] = [(discordance + delta) / 2, (discordance - delta) / 2];
        const at = feasibleRates(gain, loss);
        return at.length === 0
          ? []
          : [{ n, discordance, delta, rates: at, ...pairedOutcomes(n, gain, loss) }];
      }),
    ),
  );
}

function powerTable() {
  return discordances.map((discordance) => {
    const n = neededForPairs(discordance, margin);
    return { discordance, n, power: pairedOutcomes(n, discordance / 2, discordance / 2).pass };
  });
}

const repeats = 5;
/**
 * Item differences of two arms with five completions each. An item's chance of harm in the base is Beta with mean `rate`
 * (sum of parameters 2: many items near 0 or 1); a share `discordance` of the items becomes certain harm in the arm.
 */
function drawDifferences(n, rate, discordance, random) {
  const share = (p) => {
    let hits = 0;
    for (let i = 0; i < repeats; i++) if (random.next() < p) hits++;
    return hits / repeats;
  };
  return Array.from({ length: n }, () => {
    const p = drawBeta(2 * rate, 2 - 2 * rate, random);
    return share(random.next() < discordance ? 1 : p) - share(p);
  });
}

/** Jöhnk's method: fine for parameters of at most 2. */
function drawBeta(a, b, random) {
  for (;;) {
    const [x, y] = [random.next() ** (1 / a), random.next() ** (1 / b)];
    if (x + y <= 1 && x + y > 0) return x / (x + y);
  }
}

const itemInterval = (differences) => boundedMeanInterval(differences, [-1, 1]);
const draws = quick ? 400 : 10_000;
const repeatedSizes = quick ? [50, 100] : [30, 50, 100, 320, 1000];

/** Coverage over `draws` samples of `draw`'s. */
function drawnCoverage(draws, truth, seed, draw, intervalOf) {
  const random = createRandom('simulate', ...seed);
  let covered = 0;
  for (let i = 0; i < draws; i++) if (inside(intervalOf(draw(random), random), truth)) covered++;
  return { draws, coverage: covered / draws };
}

/** How often the repeated form passes: its upper end under the margin. */
function passesOf(n, rate, discordance, seed) {
  const random = createRandom(seed, n, rate);
  let passed = 0;
  for (let i = 0; i < draws; i++)
    if (itemInterval(drawDifferences(n, rate, discordance, random))[1] < margin) passed++;
  return passed / draws;
}

/** The true difference is the margin. */
function repeatedAtMargin() {
  return repeatedSizes
    .filter((n) => n <= 320)
    .flatMap((n) =>
      [0.02, 0.1, 0.5].map((rate) => ({
        n,
        rate,
        pass: passesOf(n, rate, margin / (1 - rate), 'at margin'),
      })),
    );
}

/** Nothing changed, at the planned number of items; the mean squared difference is the rule's, from a large draw. */
function repeatedPower() {
  return [0.02, 0.1, 0.5].map((rate) => {
    const many = drawDifferences(200_000, rate, 0, createRandom('variance', rate));
    const square = many.reduce((sum, d) => sum + d * d, 0) / many.length;
    const n = neededForPairs(square, margin);
    return { rate, square, n, power: passesOf(n, rate, 0, 'power') };
  });
}

function repeatedTable() {
  return repeatedSizes.flatMap((n) =>
    rates.flatMap((rate) =>
      discordances.map((discordance) => ({
        n,
        rate,
        discordance,
        ...drawnCoverage(
          draws,
          discordance * (1 - rate),
          [n, rate, discordance],
          (random) => drawDifferences(n, rate, discordance, random),
          itemInterval,
        ),
      })),
    ),
  );
}

/** Continuous and skewed to the right: the hard case for a bootstrap. */
function skewedTable() {
  const exponential = (random) => -Math.log(1 - random.next());
  const lognormal = (random) => Math.exp(random.normal());
  return [50, ...(quick ? [] : [100])].flatMap((n) =>
    [
      ['exponential', exponential, 1],
      ['lognormal, σ = 1', lognormal, Math.exp(0.5)],
    ].map(([name, one, truth]) => ({
      name,
      n,
      ...drawnCoverage(
        n === 50 ? draws : draws / 4,
        truth,
        [name, n],
        (random) => Array.from({ length: n }, () => one(random)),
        meanInterval,
      ),
    })),
  );
}

const percent = (x) => (x === null ? '–' : `${(100 * x).toFixed(1)} %`);
const table = (header, rows) => [
  `| ${header.join(' | ')} |`,
  `|${header.map(() => '---').join('|')}|`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];
const spread = (rows) => {
  const all = rows.map(({ coverage }) => coverage);
  const average = all.reduce((sum, x) => sum + x, 0) / all.length;
  return `Average ${percent(average)}, least ${percent(Math.min(...all))}, largest ${percent(Math.max(...all))}.`;
};

function markdown({ wilson, paired, power, repeated, repeatedAtMargin: passes, repeatedPower, skewed }) {
  const many = paired.filter(({ n, discordance }) => n * discordance >= 5);
  const some = repeated.filter((row) => row.n * row.discordance * (1 - row.rate) >= 5);
  const atMargin = paired.filter(({ delta }) => delta === margin);
  const still = paired.filter(({ delta }) => delta === 0);
  return [
    '# Simulation of the statistics',
    '',
    'Written by `npm run simulate`; nothing here is typed by hand. 95 % intervals; margin 5 points.',
    '',
    '## One rate: Wilson, summed exactly',
    '',
    ...table(
      ['n', ...rates.map((rate) => `rate ${rate}`)],
      sizes.map((n) => [n, ...wilson.filter((row) => row.n === n).map(({ coverage }) => percent(coverage))]),
    ),
    '',
    spread(wilson),
    '',
    '## Paired difference: Tango, exact McNemar and the verdict, summed exactly',
    '',
    'Discordance ψ is the share of pairs that differ; δ the true difference. The rates are those of the base at which this can be.',
    '',
    ...table(
      ['n', 'ψ', 'δ', 'rates', 'coverage', 'McNemar p ≤ 0.05', 'PASS', 'FAIL'],
      paired.map((row) => [
        row.n,
        row.discordance,
        row.delta,
        row.rates.join(', '),
        ...[row.coverage, row.rejected, row.pass, row.fail].map(percent),
      ]),
    ),
    '',
    `All: ${spread(paired)} With five discordant pairs or more expected: ${spread(many)}`,
    '',
    `False PASS at the margin: at most ${percent(Math.max(...atMargin.map(({ pass }) => pass)))}. False FAIL without a change: at most ${percent(Math.max(...still.map(({ fail }) => fail)))}. McNemar rejects what did not change at most ${percent(Math.max(...still.map(({ rejected }) => rejected)))} of the time.`,
    '',
    '## Planned number of items: power to PASS when nothing changed, summed exactly',
    '',
    ...table(
      ['ψ', 'n planned', 'power'],
      power.map((row) => [row.discordance, row.n, percent(row.power)]),
    ),
    '',
    `## Repeated completions: ${repeats} per item, interval of the mean difference, drawn`,
    '',
    `Score interval of a bounded mean over items. An item’s chance of harm is Beta with parameters 2·rate and 2 − 2·rate; the discordance is the share of items that become certain harm. ${draws} draws each.`,
    '',
    ...table(
      ['n', 'rate', 'discordance', 'coverage'],
      repeated.map((row) => [row.n, row.rate, row.discordance, percent(row.coverage)]),
    ),
    '',
    `All: ${spread(repeated)} Where the change is worth five items or more: ${spread(some)}`,
    '',
    `The same with a true difference of 5 points, the margin: how often it passes. At most ${percent(Math.max(...passes.map(({ pass }) => pass)))}.`,
    '',
    ...table(
      ['n', 'rate', 'false PASS'],
      passes.map((row) => [row.n, row.rate, percent(row.pass)]),
    ),
    '',
    'Power to PASS when nothing changed, at the planned number of items; ψ is the mean squared difference of an item.',
    '',
    ...table(
      ['rate', 'ψ', 'n planned', 'power'],
      repeatedPower.map((row) => [row.rate, row.square.toFixed(4), row.n, percent(row.power)]),
    ),
    '',
    '## Skewed values: BCa, drawn',
    '',
    ...table(
      ['values', 'n', 'draws', 'coverage'],
      skewed.map((row) => [row.name, row.n, row.draws, percent(row.coverage)]),
    ),
    '',
  ].join('\n');
}

const result = {
  wilson: sizes.flatMap((n) => rates.map((rate) => ({ n, rate, coverage: wilsonCoverage(n, rate) }))),
  paired: pairedTable(),
  power: powerTable(),
  repeated: repeatedTable(),
  repeatedAtMargin: repeatedAtMargin(),
  repeatedPower: repeatedPower(),
  skewed: skewedTable(),
};
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  const text = markdown(result);
  writeFileSync(new URL('../docs/statistics-simulation.md', import.meta.url), text);
  process.stdout.write(text);
}
