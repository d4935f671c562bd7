import { count, decimal, interval, showInvisible, withInterval } from '../format.ts';
import { marginsByArm } from '../margin-metrics.ts';
import type { ReportInput } from '../report.ts';
import { armEncoding, shownArms } from './arm-encoding.ts';
import type { Figure, FigureRow } from './figure.ts';

const mostBins = 36;

/** How the refusal margins of each arm's prompts are spread; null where none were measured. */
export function marginDistribution({ summary, margins = [] }: ReportInput): Figure | null {
  const byArm = marginsByArm(margins);
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) => {
    const [values, level] = [[...(byArm.get(arm)?.values() ?? [])], harm?.refusalMargin];
    return values.length > 0 && level ? [{ arm, values, level }] : [];
  });
  if (arms.length === 0) return null;
  const edges = edgesOf(arms.flatMap(({ values }) => values));
  const rows = arms.flatMap(({ arm, values }) => binsOf(arm, values, edges));
  const levels = arms.map(({ arm, level: { mean, ci95, n } }) => ({
    arm: showInvisible(arm),
    mean,
    low: ci95?.[0] ?? mean,
    high: ci95?.[1] ?? mean,
    label: `mean ${withInterval(decimal(mean), interval(ci95, 1, 2))}, n = ${count(n)}`,
  }));
  return {
    file: 'refusal-margins.svg',
    title: 'Refusal margins per arm',
    caption: `Refusal margins in nats, one per prompt: right of 0 a refusal is the likelier beginning. Columns: share of an arm’s prompts per ${decimal(edges.width, edges.width < 1 ? 2 : 1)} nats. The mark above them: mean with its 95 % interval over prompts (bootstrap; Student’s t below 50 prompts), n at the right.`,
    alternative: `Refusal margin: ${levels.map(({ arm, label }) => `${arm} ${label}`).join('; ')}.`,
    specification: specificationOf(summary, rows, levels),
    rows,
  };
}

interface Edges {
  readonly from: number;
  readonly width: number;
  readonly bins: number;
}

/** Bins of a round width that cover all values. */
function edgesOf(values: readonly number[]): Edges {
  const [least, most] = values.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
  const width = roundUp(Math.max(most - least, 1e-6) / mostBins);
  const from = Math.floor(least / width) * width;
  return { from, width, bins: Math.floor((most - from) / width) + 1 };
}

/** The next of 1, 2, 2.5, 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return (([1, 2, 2.5, 5] as const).find((step) => step * power >= value) ?? 10) * power;
}

function binsOf(arm: string, values: readonly number[], { from, width, bins }: Edges): FigureRow[] {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - from) / width))]!++;
  return counts.map((prompts, place) => ({
    arm,
    from: tidy(from + place * width),
    to: tidy(from + (place + 1) * width),
    prompts,
    share: prompts / values.length,
  }));
}

/** Without the noise of adding up decimal steps. */
const tidy = (value: number) => Number(value.toPrecision(12));

function specificationOf(
  summary: ReportInput['summary'],
  rows: readonly FigureRow[],
  levels: readonly Readonly<Record<string, string | number | null>>[],
) {
  const { color, shape } = armEncoding(summary, false);
  const top = Math.max(...rows.map(({ share }) => Number(share)));
  const bars = rows
    .filter(({ prompts }) => prompts !== 0)
    .map(({ arm, from, to, share }) => ({ arm: showInvisible(String(arm)), from, to, share }));
  const values = [...bars, ...levels.map((level) => ({ ...level, at: 1.14 * top }))];
  const x = (field: string) => ({
    field,
    type: 'quantitative',
    axis: { title: 'refusal margin ln P(R) − ln(1 − P(R)), nats', tickCount: 9 },
    scale: { zero: false, nice: true },
  });
  const y = {
    type: 'quantitative',
    scale: { domain: [0, 1.3 * top] },
    axis: { format: '.0%', title: 'prompts', tickCount: 3 },
  };
  const at = { field: 'at', ...y };
  const only = (field: string) => ({ transform: [{ filter: { field, valid: true } }] });
  return {
    data: { values },
    facet: {
      row: {
        field: 'arm',
        type: 'nominal',
        sort: shownArms(summary),
        title: null,
        header: { labelOrient: 'top', labelAnchor: 'start', labelPadding: 2 },
      },
    },
    spacing: 10,
    spec: {
      width: 540,
      height: 84,
      layer: [
        {
          mark: { type: 'rule', strokeDash: [4, 3], opacity: 0.7 },
          encoding: { x: { datum: 0, type: 'quantitative' } },
        },
        {
          ...only('share'),
          mark: { type: 'bar', opacity: 0.6, stroke: 'currentColor', strokeWidth: 0.6 },
          encoding: {
            x: { ...x('from'), bin: 'binned' },
            x2: { field: 'to' },
            y: { field: 'share', ...y },
            color,
          },
        },
        {
          ...only('mean'),
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: x('low'), x2: { field: 'high' }, y: at, color },
        },
        {
          ...only('mean'),
          mark: { type: 'point', filled: true, opacity: 1, size: 75 },
          encoding: { x: x('mean'), y: at, color, shape },
        },
        {
          ...only('mean'),
          mark: { type: 'text', align: 'left', baseline: 'middle' },
          encoding: { x: { value: 550 }, y: at, text: { field: 'label', type: 'nominal' } },
        },
      ],
    },
  };
}
