import { rocCurve } from '../calibration.ts';
import { count, decimal, interval, showInvisible, withInterval } from '../format.ts';
import { conditionName } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import { armEncoding, dashEncoding, shownArms } from './arm-encoding.ts';
import { type ConfidentAnswers, confidentAnswers } from './confidence.ts';
import type { Figure } from './figure.ts';

const size = 205;
/** Four pixels. */
const step = 0.02;

/** How well confidence tells right answers from wrong ones, per condition and arm; null where there are not both. */
export function rocFigure(input: ReportInput): Figure | null {
  const confident = confidentAnswers(input);
  const all = confident.all.filter(({ drift }) => drift.auroc !== null);
  const drawn = all.filter((one) => confident.drawn.includes(one));
  if (drawn.length === 0) return null;
  const curves = all.map((one) => ({ one, points: thinned(rocCurve(one.judged)) }));
  const values = curves.flatMap(({ one, points }) =>
    drawn.includes(one)
      ? points.map((point) => ({
          condition: conditionName(one.condition),
          arm: showInvisible(one.arm),
          ...point,
        }))
      : [],
  );
  const counts = drawn.map(({ judged }) => judged.length);
  const n = [Math.min(...counts), Math.max(...counts)].map(count);
  const area = ({ drift }: ConfidentAnswers) =>
    withInterval(decimal(drift.auroc), interval(drift.aurocCi95, 1, 2));
  return {
    file: 'roc.svg',
    title: 'ROC of confidence for correctness by condition and arm',
    caption: `ROC of confidence for correctness: of the right answers and of the wrong ones, the share that is at least as sure; n = ${n[0] === n[1] ? n[0] : n.join(' to ')} answers with a confidence per curve. In the panels AUROC with DeLong 95 % intervals; on the dashed line (0.5) confidence tells nothing. Drawing and data leave out points nearer than ${step} to the one before; every answer’s confidence and verdict are in the records (aftertune export).${confident.leftOut}`,
    alternative: `AUROC: ${drawn.map((one) => `${conditionName(one.condition)}, ${one.arm} ${area(one)}`).join('; ')}.`,
    specification: specificationOf(input, drawn, values, area),
    rows: curves.flatMap(({ one: { condition, arm, drift }, points }) =>
      points.map(({ wrong, right }) => ({
        condition,
        arm,
        shareOfWrong: wrong,
        shareOfRight: right,
        auroc: drift.auroc,
      })),
    ),
  };
}

/** The curve without points nearer than a step to the one before; the ends stay. */
function thinned(curve: readonly { wrong: number; right: number }[]): { wrong: number; right: number }[] {
  const kept: { wrong: number; right: number }[] = [];
  curve.forEach((point, at) => {
    const before = kept.at(-1);
    const far = !before || Math.max(point.wrong - before.wrong, point.right - before.right) >= step;
    if (far || at === curve.length - 1) kept.push(point);
  });
  return kept.map(({ wrong, right }) => ({ wrong: round4(wrong), right: round4(right) }));
}

const round4 = (value: number) => Math.round(value * 1e4) / 1e4;

function specificationOf(
  { summary }: ReportInput,
  drawn: readonly ConfidentAnswers[],
  values: readonly Readonly<Record<string, string | number>>[],
  area: (one: ConfidentAnswers) => string,
) {
  const { color } = armEncoding(summary, true);
  const legend = { symbolSize: 900, symbolStrokeWidth: 2, symbolType: 'stroke' };
  const axis = (title: string) => ({ title, tickCount: 2, format: '.0%' });
  const scale = { domain: [0, 1] };
  const x = { field: 'wrong', type: 'quantitative', scale, axis: axis('of the wrong answers') };
  const y = { field: 'right', type: 'quantitative', scale, axis: axis('of the right answers') };
  const conditions = [...new Set(drawn.map(({ condition }) => condition))];
  const arms = shownArms(summary);
  const panel = (condition: string) => {
    const own = drawn.filter((one) => one.condition === condition);
    const name = conditionName(condition);
    const lines = [
      'AUROC [95 %]',
      ...own.map((one) => `${showInvisible(one.arm).slice(0, 14)} ${area(one)}`),
    ];
    const labels = lines.map((label, line) => ({
      wrong: 0.99,
      right: 0.05 + 0.07 * (lines.length - 1 - line),
      label,
    }));
    return {
      width: size,
      height: size,
      title: { text: showInvisible(name), anchor: 'middle' },
      layer: [
        {
          data: { values: [{ wrong: 0, right: 0, to: 1 }] },
          mark: { type: 'rule', strokeDash: [4, 3], opacity: 0.6 },
          encoding: { x, y, x2: { field: 'to' }, y2: { field: 'to' } },
        },
        {
          data: { values: values.filter((value) => value.condition === name) },
          mark: { type: 'line', strokeWidth: 1.8, interpolate: 'linear' },
          encoding: {
            x,
            y,
            color: { ...color, legend },
            strokeDash: { ...dashEncoding(summary, true), legend },
            order: { value: null },
            detail: { field: 'arm', type: 'nominal', sort: arms },
          },
        },
        {
          data: { values: labels },
          mark: { type: 'text', align: 'right', fontSize: 10 },
          encoding: { x, y, text: { field: 'label', type: 'nominal' } },
        },
      ],
    };
  };
  return { columns: 3, spacing: 26, concat: conditions.map(panel) };
}
