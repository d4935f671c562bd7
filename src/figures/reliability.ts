import { equalWidthBins } from '../calibration.ts';
import { count, decimal, showInvisible } from '../format.ts';
import { conditionName } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import { mean, wilsonInterval } from '../stats.ts';
import { armEncoding } from './arm-encoding.ts';
import { type ConfidentAnswers, confidentAnswers } from './confidence.ts';
import type { Figure } from './figure.ts';
import { rateColumns } from './interval-plot.ts';

const size = 150;

/** Accuracy against confidence in the bins of ECE, with how many answers each holds; null without single answers. */
export function reliabilityDiagram(input: ReportInput): Figure | null {
  const { all, drawn, leftOut } = confidentAnswers(input);
  if (drawn.length === 0) return null;
  const bins = drawn[0]!.drift.eceBins;
  const counts = drawn.map(({ judged }) => judged.length);
  const n = [Math.min(...counts), Math.max(...counts)].map(count);
  return {
    file: 'reliability.svg',
    title: 'Reliability of confidence by condition and arm',
    caption: `Reliability: accuracy against mean confidence in ${bins} bins of equal width, the bins of ECE; under each diagram how many answers a bin holds; n = ${n[0] === n[1] ? n[0] : n.join(' to ')} answers with a confidence per panel. Bars: Wilson 95 % intervals. On the dashed line confidence would be the probability of being right; below it lies overconfidence.${leftOut}`,
    alternative: `Expected calibration error: ${drawn.map(({ condition, arm, drift }) => `${conditionName(condition)}, ${arm} ${decimal(drift.ece)}`).join('; ')}.`,
    specification: specificationOf(input, drawn),
    rows: all.flatMap((one) => binsOf(one)),
  };
}

function binsOf({ condition, arm, drift, judged }: ConfidentAnswers) {
  return equalWidthBins(judged, drift.eceBins).map((bin, place) => {
    const right = bin.filter(({ correct }) => correct).length;
    return {
      condition,
      arm,
      from: place / drift.eceBins,
      to: (place + 1) / drift.eceBins,
      answers: bin.length,
      right,
      confidence: bin.length > 0 ? mean(bin.map(({ confidence }) => confidence)) : null,
      ...rateColumns(bin.length > 0 ? right / bin.length : null, wilsonInterval(right, bin.length)),
    };
  });
}

/** One row of panels per arm, one column per condition. */
function specificationOf({ summary }: ReportInput, drawn: readonly ConfidentAnswers[]) {
  const arms = [...new Set(drawn.map(({ arm }) => arm))];
  const conditions = [...new Set(drawn.map(({ condition }) => condition))];
  const encoding = armEncoding(summary, false);
  const panels = arms.flatMap((arm, row) => {
    const own = conditions.map((condition, column) => {
      const one = drawn.find((other) => other.arm === arm && other.condition === condition);
      return { one, edge: { top: row === 0, bottom: row === arms.length - 1, left: column === 0 } };
    });
    return [
      ...own.map(({ one, edge }) => (one ? diagram(one, encoding, edge) : nothing)),
      ...own.map(({ one, edge }) => (one ? histogram(one, encoding, edge) : nothing)),
    ];
  });
  return {
    columns: conditions.length,
    spacing: { row: 17, column: 46 },
    bounds: 'flush',
    concat: panels,
  };
}

/** Keeps the place of a condition that an arm was not asked under. */
const nothing = { width: size, height: 1, data: { values: [] }, mark: 'point' };

/** Where a panel stands in the grid: what is written beside it. */
interface Edge {
  readonly top: boolean;
  readonly bottom: boolean;
  readonly left: boolean;
}

type Arms = ReturnType<typeof armEncoding>;

const unit = { domain: [0, 1] };

const confidenceAxis = (field: string, axis: object) => ({
  field,
  type: 'quantitative',
  scale: unit,
  axis: { title: null, tickCount: 2, format: '.1f', grid: false, ...axis },
});

const shownBins = (one: ConfidentAnswers) =>
  binsOf(one)
    .filter(({ answers }) => answers !== 0)
    .map((bin) => ({ ...bin, arm: showInvisible(one.arm) }));

function diagram(one: ConfidentAnswers, { color, shape }: Arms, { top, left }: Edge) {
  const x = (field: string) => confidenceAxis(field, { labels: false, ticks: false });
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: unit,
    axis: { title: left ? 'accuracy' : null, tickCount: 2, format: '.0%', labels: left, ticks: left },
  });
  const words = [showInvisible(one.arm).slice(0, 20), `ECE ${decimal(one.drift.ece)}`];
  // Where there are labels, they push the title up by half a line.
  const title = { text: showInvisible(conditionName(one.condition)), anchor: 'middle', offset: left ? 2 : 8 };
  const values = shownBins(one).map(({ arm, confidence, rate, low95: low, high95: high }) => ({
    arm,
    confidence,
    rate,
    low,
    high,
  }));
  const layer = [
    {
      data: { values: [{ from: 0, to: 1 }] },
      mark: { type: 'rule', strokeDash: [4, 3], opacity: 0.6 },
      encoding: { x: x('from'), y: y('from'), x2: { field: 'to' }, y2: { field: 'to' } },
    },
    {
      mark: { type: 'rule', strokeWidth: 1.6 },
      encoding: { x: x('confidence'), y: y('low'), y2: { field: 'high' }, color },
    },
    {
      mark: { type: 'point', filled: true, opacity: 1, size: 50 },
      encoding: { x: x('confidence'), y: y('rate'), color, shape },
    },
    {
      data: { values: [{ words }] },
      mark: { type: 'text', align: 'left', baseline: 'top', fontSize: 11, lineHeight: 14 },
      encoding: { x: { value: 5 }, y: { value: 5 }, text: { field: 'words', type: 'nominal' } },
    },
  ];
  return { ...(top ? { title } : {}), width: size, height: size, data: { values }, layer };
}

function histogram(one: ConfidentAnswers, { color }: Arms, { bottom, left }: Edge) {
  const named = bottom ? { title: 'confidence' } : { labels: false, ticks: false };
  return {
    width: size,
    height: 34,
    data: { values: shownBins(one).map(({ arm, from, to, answers }) => ({ arm, from, to, answers })) },
    mark: { type: 'bar', opacity: 0.6, stroke: 'currentColor', strokeWidth: 0.5 },
    encoding: {
      x: { ...confidenceAxis('from', named), bin: 'binned' },
      x2: { field: 'to' },
      y: {
        field: 'answers',
        type: 'quantitative',
        axis: { title: left ? 'answers' : null, titleFontSize: 10, tickCount: 2, format: '~s' },
      },
      color,
    },
  };
}
