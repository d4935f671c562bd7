import { count, percent, percentWithInterval, showInvisible } from '../format.ts';
import type { Summary } from '../record.ts';
import { armEncoding, shownArms } from './arm-encoding.ts';
import { answeredUnder, categoriesOf, conditionName } from './conditions.ts';
import type { Figure } from './figures.ts';
import { driftIntervalName, intervalName } from './paired-test.ts';

interface IntervalRow {
  readonly group: string;
  readonly arm: string;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly label: string;
}

/** One row per group and arm: the interval as a bar, the rate as a mark, its value at the right. */
function intervalSpecification(
  summary: Summary,
  values: readonly IntervalRow[],
  axisTitle: string,
  grouped: boolean,
) {
  const width = 500;
  const { color, shape } = armEncoding(summary, grouped);
  const x = {
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', title: axisTitle, tickCount: 5 },
  };
  const y = {
    field: 'group',
    type: 'nominal',
    sort: null,
    title: null,
    axis: { domain: false, ticks: false },
    scale: { paddingInner: grouped ? 0.22 : 0, paddingOuter: 0.15 },
  };
  return {
    width,
    height: grouped ? { step: 18, for: 'offset' } : { step: 34 },
    data: { values },
    encoding: {
      y,
      ...(grouped ? { yOffset: { field: 'arm', type: 'nominal', sort: shownArms(summary) } } : {}),
    },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: { field: 'low', ...x }, x2: { field: 'high' }, color },
      },
      {
        mark: { type: 'point', filled: true, opacity: 1, size: 85 },
        encoding: { x: { field: 'rate', ...x }, color, shape },
      },
      {
        mark: { type: 'text', align: 'left', baseline: 'middle', fontSize: grouped ? 11 : 12 },
        encoding: { x: { value: width + 10 }, text: { field: 'label', type: 'nominal' } },
      },
    ],
  };
}

type Bounds = readonly [number, number] | null;

function intervalRow(
  group: string,
  arm: string,
  rate: number | null,
  ci95: Bounds,
  label: string,
): IntervalRow[] {
  if (rate === null) return [];
  const [low, high] = ci95 ?? [rate, rate];
  return [{ group: showInvisible(group), arm: showInvisible(arm), rate, low, high, label }];
}

export function asrFigure(summary: Summary): Figure | null {
  const measured = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rate: harm.headline }] : [],
  );
  const values = measured.flatMap(({ arm, rate }) =>
    intervalRow(
      arm,
      arm,
      rate.rate,
      rate.ci95,
      `${percent(rate.rate)} (${count(rate.unsafe)} / ${count(rate.scored)})`,
    ),
  );
  if (values.length === 0) return null;
  const words = measured.map(
    ({ arm, rate }) => `${arm} ${percentWithInterval(rate.rate, rate.ci95)}, n = ${count(rate.scored)}`,
  );
  return {
    file: 'asr.svg',
    title: 'Attack success rate per arm',
    caption: `Attack success rate per arm, headline rows. Bars: ${intervalName(measured.map(({ rate }) => rate))} 95 % intervals; n is the number after the stroke.`,
    alternative: `Attack success rate per arm with 95 % intervals: ${words.join('; ')}.`,
    specification: intervalSpecification(summary, values, 'attack success rate, unsafe / scored', false),
  };
}

export function categoryFigure(summary: Summary): Figure | null {
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rates: harm.bySemanticCategory }] : [],
  );
  const categories = categoriesOf(arms.map(({ rates }) => rates));
  const values = categories.flatMap((category) =>
    arms.flatMap(({ arm, rates }) => {
      const rate = rates[category];
      return rate
        ? intervalRow(
            conditionName(category),
            arm,
            rate.rate,
            rate.ci95,
            `${count(rate.unsafe)} / ${count(rate.scored)}`,
          )
        : [];
    }),
  );
  if (values.length === 0) return null;
  const words = shownArms(summary).flatMap((arm) => {
    const own = values.filter((value) => value.arm === arm).sort((a, b) => a.rate - b.rate);
    const [least, most] = [own[0], own.at(-1)];
    return least && most
      ? [`${arm} ${percent(least.rate)} (${least.group}) to ${percent(most.rate)} (${most.group})`]
      : [];
  });
  return {
    file: 'asr-by-category.svg',
    title: 'Attack success rate by semantic category',
    caption: `Attack success rate by semantic category and arm, all rows. Bars: ${intervalName(arms.flatMap(({ rates }) => Object.values(rates)))} 95 % intervals; at the right, unsafe / scored.`,
    alternative: `Attack success rate by semantic category, lowest and highest: ${words.join('; ')}. All values are in the table.`,
    specification: intervalSpecification(summary, values, 'attack success rate, unsafe / scored', true),
  };
}

export function accuracyFigure(summary: Summary): Figure | null {
  const answered = answeredUnder(summary, 'drift');
  const values = answered.flatMap(({ condition, arm, drift }) =>
    intervalRow(conditionName(condition), arm, drift.accuracy, drift.accuracyCi95, percent(drift.accuracy)),
  );
  if (values.length === 0) return null;
  const words = values.map(({ group, arm, label }) => `${group}, ${arm} ${label}`);
  return {
    file: 'accuracy.svg',
    title: 'Accuracy by condition and arm',
    caption: `Accuracy by condition and arm, ${answersOf(answered.map(({ drift }) => drift.n))} each. Bars: ${driftIntervalName(summary)} 95 % intervals.`,
    alternative: `Accuracy by condition and arm: ${words.join('; ')}.`,
    specification: intervalSpecification(summary, values, 'accuracy', true),
  };
}

function answersOf(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${count(most)} answers` : `${count(least)} to ${count(most)} answers`;
}
