import { equalWidthBins } from '../calibration.ts';
import { count, decimal, showInvisible } from '../format.ts';
import { conditionName } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import { mean, wilsonInterval } from '../stats.ts';
import { armEncoding } from './arm-encoding.ts';
import { type ConfidentAnswers, confidentAnswers } from './confidence.ts';
import type { Figure, FigureRow } from './figure.ts';
import { rateColumns } from './interval-plot.ts';

const mostArms = 6;
const size = 150;

/** Accuracy against confidence in the bins of ECE, with how many answers each holds; null without single answers. */
export function reliabilityDiagram(input: ReportInput): Figure | null {
  const { all, drawn, leftOut } = confidentAnswers(input, mostArms);
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
    rows: all.flatMap(binsOf),
  };
}

function binsOf({ condition, arm, drift, judged }: ConfidentAnswers): FigureRow[] {
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
  const { color, shape } = armEncoding(summary, false);
  return {
    spacing: 20,
    vconcat: arms.map((arm, row) => ({
      spacing: 18,
      hconcat: drawn
        .filter((one) => one.arm === arm)
        .map((one, column) => panel(one, { color, shape }, row === arms.length - 1, column === 0)),
    })),
  };
}

const unit = { domain: [0, 1] };

function panel(
  one: ConfidentAnswers,
  { color, shape }: ReturnType<typeof armEncoding>,
  last: boolean,
  first: boolean,
) {
  const values = binsOf(one)
    .filter(({ answers }) => answers !== 0)
    .map(({ arm, from, to, answers, confidence, rate, low95, high95 }) => {
      const shown = { from, to, answers, confidence, rate, low: low95, high: high95 };
      return { arm: showInvisible(String(arm)), ...shown };
    });
  const x = (field: string, title: boolean) => ({
    field,
    type: 'quantitative',
    scale: unit,
    axis: title
      ? { title: 'confidence', tickCount: 3, format: '.1f', grid: false }
      : { title: null, labels: false, ticks: false, grid: false, tickCount: 3 },
  });
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: unit,
    axis: { title: first ? 'accuracy' : null, tickCount: 3, format: '.0%', labels: first },
  });
  const words = `${conditionName(one.condition)} · ECE ${decimal(one.drift.ece)}`;
  return {
    data: { values },
    spacing: 4,
    vconcat: [
      {
        width: size,
        height: size,
        title: { text: [`${showInvisible(one.arm)}`, showInvisible(words)], limit: size + 20, offset: 4 },
        layer: [
          {
            data: { values: [{ from: 0, to: 1 }] },
            mark: { type: 'rule', strokeDash: [4, 3], opacity: 0.6 },
            encoding: { x: x('from', false), y: y('from'), x2: { field: 'to' }, y2: { field: 'to' } },
          },
          {
            mark: { type: 'rule', strokeWidth: 1.6 },
            encoding: { x: x('confidence', false), y: y('low'), y2: { field: 'high' }, color },
          },
          {
            mark: { type: 'point', filled: true, opacity: 1, size: 50 },
            encoding: { x: x('confidence', false), y: y('rate'), color, shape },
          },
        ],
      },
      {
        width: size,
        height: 34,
        mark: { type: 'bar', opacity: 0.55, stroke: 'currentColor', strokeWidth: 0.5 },
        encoding: {
          x: { ...x('from', last), bin: 'binned' },
          x2: { field: 'to' },
          y: {
            field: 'answers',
            type: 'quantitative',
            axis: { title: first ? 'answers' : null, tickCount: 2, format: '~s' },
          },
          color,
        },
      },
    ],
  };
}
