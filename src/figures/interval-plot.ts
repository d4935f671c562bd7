import { showInvisible } from '../format.ts';
import type { Summary } from '../record.ts';
import { armEncoding, shownArms } from './arm-encoding.ts';

/** A rate of one arm with its interval, as it is drawn. */
export interface IntervalRow {
  readonly group: string;
  readonly arm: string;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  /** Stands at the right. */
  readonly label: string;
}

type Bounds = readonly [number, number] | null;

/** No row where there is no rate; without an interval the point stands alone. */
export function intervalRow(
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

/** Columns of a rate in a figure's data. */
export const rateColumns = (rate: number | null, ci95: Bounds) => ({
  rate,
  low95: ci95?.[0] ?? null,
  high95: ci95?.[1] ?? null,
});

/** One row per group and arm: the interval as a bar, the rate as a mark, its value at the right. */
export function intervalPlot(
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
