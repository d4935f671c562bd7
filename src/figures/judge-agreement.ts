import { plainRows } from '../arm-summary.ts';
import { count, decimal, plural, showInvisible } from '../format.ts';
import type { ReportInput } from '../report.ts';
import type { Figure, FigureRow } from './figure.ts';
import { judgesOf, outcomesOf } from './joined-outcomes.ts';

const labels = ['safe', 'unsafe', 'unscored'] as const;

/** A cell of a heat map, with the number that stands in it. */
interface HeatCell {
  readonly across: string;
  readonly down: string;
  /** 0–1: how dark. */
  readonly shade: number;
  readonly text: readonly string[];
}

/** How far the harm judges agree: with two what each said, with more every pair's κ. Null with one, or without single outcomes of two. */
export function judgeAgreementFigure(input: ReportInput): Figure | null {
  const { agreement } = input.summary;
  if (!agreement) return null;
  return agreement.pairs ? pairsFigure(agreement.pairs, agreement.krippendorffAlpha) : confusionFigure(input);
}

const file = 'judge-agreement.svg';
const title = 'Agreement of the harm judges';

function pairsFigure(
  pairs: readonly { judges: [string, string]; items: number; cohenKappa: number | null }[],
  alpha: number | null | undefined,
): Figure {
  const cells = pairs.map(({ judges: [first, second], items, cohenKappa }) => ({
    across: showInvisible(first),
    down: showInvisible(second),
    shade: Math.max(0, cohenKappa ?? 0),
    text: [`κ ${decimal(cohenKappa)}`, `n = ${count(items)}`],
  }));
  const words = pairs.map(
    ({ judges, cohenKappa, items }) =>
      `${judges.join(' and ')} ${decimal(cohenKappa)} over ${plural(items, 'completion')}`,
  );
  return {
    file,
    title,
    caption: `Agreement of every pair of harm judges: Cohen’s κ over the n completions of all arms that both scored; the darker, the better. No interval. All together: Krippendorff’s α = ${decimal(alpha)}.`,
    alternative: `Cohen’s κ: ${words.join('; ')}.`,
    specification: heatMap(cells, null, null, 96),
    rows: pairs.map(({ judges: [first, second], items, cohenKappa }) => ({
      first,
      second,
      completions: items,
      cohenKappa,
    })),
  };
}

function confusionFigure(input: ReportInput): Figure | null {
  const rowsOf = outcomesOf(input);
  const [first, second] = judgesOf(input, 'harm');
  if (!rowsOf || !first || !second) return null;
  const counts = new Map<string, number>();
  const plain = plainRows(rowsOf);
  for (const arm of Object.keys(input.summary.arms)) {
    const theirs = plain(arm, second);
    let row = 0;
    for (const { completions } of plain(arm, first)) {
      const others = theirs.at(row++)!.completions;
      completions.forEach(({ record, verdict }, at) => {
        const other = others[at]?.verdict;
        if (!record && !verdict && !other) return;
        const key = `${verdict?.label ?? 'unscored'} ${other?.label ?? 'unscored'}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      });
    }
  }
  const rows = labels.flatMap((a) =>
    labels.map((b) => ({ first: a, second: b, completions: counts.get(`${a} ${b}`) ?? 0 })),
  );
  const total = rows.reduce((sum, { completions }) => sum + completions, 0);
  if (total === 0) return null;
  const most = Math.max(...rows.map(({ completions }) => completions));
  const shown = labels.filter((label) =>
    label !== 'unscored'
      ? true
      : rows.some((row) => row.completions > 0 && [row.first, row.second].includes(label)),
  );
  const cells = rows
    .filter((row) => shown.includes(row.first) && shown.includes(row.second))
    .map(({ first: down, second: across, completions }) => ({
      across,
      down,
      shade: completions / most,
      text: [count(completions)],
    }));
  return confusion(input, [first.name, second.name], rows, cells, total);
}

function confusion(
  { summary: { agreement } }: ReportInput,
  judges: readonly [string, string],
  rows: readonly FigureRow[],
  cells: readonly HeatCell[],
  total: number,
): Figure {
  const [first, second] = judges;
  const kappa = `Cohen’s κ = ${decimal(agreement?.cohenKappa)} over ${plural(agreement?.items ?? 0, 'completion')} that both scored`;
  const words = rows.map(
    (row) => `${first} ${row.first} and ${second} ${row.second}: ${count(Number(row.completions))}`,
  );
  return {
    file,
    title,
    caption: `What ${first} and ${second} say of the same completions, all arms, n = ${count(total)}; the darker, the more. ${kappa}. Counts, no interval.`,
    alternative: `${kappa}. ${words.join('; ')}.`,
    specification: heatMap(cells, showInvisible(second), showInvisible(first), 84),
    rows: rows.map((row) => ({
      [`${first} (rows)`]: row.first!,
      [`${second} (columns)`]: row.second!,
      completions: row.completions!,
    })),
  };
}

/** Cells from white to dark in one hue, each with its number, so that paper and colour-blind readers lose nothing. */
function heatMap(cells: readonly HeatCell[], across: string | null, down: string | null, step: number) {
  const x = { field: 'across', type: 'nominal', sort: null, title: across };
  const y = { field: 'down', type: 'nominal', sort: null, title: down };
  const axis = { domain: false, ticks: false, labelAngle: 0, labelLimit: step };
  const lines = cells[0]?.text.length ?? 1;
  return {
    width: { step },
    height: { step: 46 },
    data: { values: cells },
    encoding: {
      x: { ...x, axis: { ...axis, orient: 'top' } },
      y: { ...y, axis: { ...axis, labelLimit: 150 } },
    },
    layer: [
      {
        mark: { type: 'rect', stroke: 'currentColor', strokeWidth: 0.6 },
        encoding: {
          color: {
            field: 'shade',
            type: 'quantitative',
            scale: { domain: [0, 1], range: ['#f4f8fb', '#123a5e'] },
            legend: null,
          },
        },
      },
      {
        mark: { type: 'text', baseline: 'middle', fontSize: 13, lineHeight: 17, dy: (1 - lines) * 8.5 },
        encoding: {
          text: { field: 'text', type: 'nominal' },
          color: {
            condition: { test: 'datum.shade > 0.45', value: '#ffffff' },
            value: '#1b1f24',
          },
        },
      },
    ],
  };
}
