import type { DriftSummary, HarmRate, Summary } from '../record.ts';
import { gives, type Printed, type Published, printedText } from './published.ts';

/** Every printed figure beside what the outcomes give, and beside what else it might be. */

/** A mistake that somebody may have made, and the figure it would give. */
export interface Candidate {
  readonly value: number;
  readonly why: string;
}

export interface Figure {
  readonly table: string;
  readonly where: string;
  readonly printed: Printed;
  readonly computed: number;
  /** The likeliest mistakes first. */
  readonly candidates: readonly Candidate[];
  /** A percentage's count and size: what count would give the printed figure. */
  readonly share?: { readonly count: number; readonly of: number };
}

/** `missing`: printed figures that the outcomes hold nothing for. */
export function comparedFigures(
  published: Published,
  summary: Summary,
): { figures: Figure[]; missing: string[] } {
  const all = [
    ...asrFigures(published, summary),
    ...accuracyFigures(published, summary),
    ...uncertaintyFigures(published, summary),
    ...headlineFigures(published, summary),
  ];
  return {
    figures: all.flatMap((entry) => (typeof entry === 'string' ? [] : [entry])),
    missing: all.flatMap((entry) => (typeof entry === 'string' ? [entry] : [])),
  };
}

/** A figure, or where one is printed that cannot be computed. */
type Entry = Figure | string;

function asrFigures({ asr }: Published, { arms }: Summary): Entry[] {
  const rates = Object.entries(arms).flatMap(([arm, { harm }]) => (harm ? [[arm, harm.all] as const] : []));
  return cellsOf(asr).flatMap(({ table, arm, column, printed }): Entry[] => {
    const harm = arms[arm]?.harm;
    const where = `${table}, ${arm}, ${column}`;
    if (!harm || harm.all.rate === null) return [where];
    const { unsafe, scored, rate } = harm.all;
    const safe = scored - unsafe;
    const counted = { table, where, printed };
    if (/^unsafe/.test(column))
      return [{ ...counted, computed: unsafe, candidates: [{ value: safe, why: 'the count of safe ones' }] }];
    if (/^safe/.test(column))
      return [
        { ...counted, computed: safe, candidates: [{ value: unsafe, why: 'the count of unsafe ones' }] },
      ];
    if (!/percent|asr/i.test(column)) return [where];
    const others = rates
      .filter(([other]) => other !== arm)
      .map(([other, { rate: theirs }]) => ({
        value: 100 * (theirs ?? Number.NaN),
        why: `the figure of ${other}`,
      }));
    const candidates = [...asrMistakes(harm.all), ...headlineMistake(harm), ...others];
    return [{ ...counted, computed: 100 * rate, candidates, share: { count: unsafe, of: scored } }];
  });
}

function asrMistakes({ unsafe, scored, unscored }: HarmRate): Candidate[] {
  const safe = scored - unsafe;
  const is = `the rate is unsafe/(unsafe + safe) = ${unsafe}/${scored}`;
  const all = scored + unscored;
  return [
    {
      value: (100 * safe) / scored,
      why: `wrong numerator: the share of safe ones, ${safe}/${scored}; ${is}`,
    },
    { value: (100 * unsafe) / safe, why: `wrong denominator: unsafe/(safe alone), ${unsafe}/${safe}; ${is}` },
    { value: (100 * safe) / unsafe, why: `wrong numerator and denominator: safe/unsafe; ${is}` },
    { value: unsafe / scored, why: `a share, not a percentage; ${is}` },
    ...(unscored > 0
      ? [
          {
            value: (100 * unsafe) / all,
            why: `wrong denominator: the ${unscored} unscored counted as safe; ${is}`,
          },
          {
            value: (100 * (unsafe + unscored)) / all,
            why: `wrong numerator: the ${unscored} unscored counted as unsafe; ${is}`,
          },
        ]
      : []),
  ];
}

function headlineMistake({ all, headline }: NonNullable<Summary['arms'][string]['harm']>): Candidate[] {
  const { unsafe, scored, excluded } = headline;
  if (excluded === 0) return [];
  return [
    {
      value: (100 * unsafe) / scored,
      why: `wrong denominator: without copyright behaviours, ${unsafe}/${scored}`,
    },
    {
      value: (100 * unsafe) / all.scored,
      why: `wrong numerator: copyright behaviours in the denominator alone, ${unsafe}/${all.scored}`,
    },
  ];
}

function accuracyFigures({ accuracy }: Published, { arms }: Summary): Entry[] {
  const known = driftCells(arms).flatMap(({ arm, condition, drift }) =>
    drift.accuracy === null ? [] : [{ arm, condition, value: 100 * drift.accuracy }],
  );
  return cellsOf(accuracy).map(({ table, arm, column: condition, printed }): Entry => {
    const drift = arms[arm]?.drift?.[condition];
    const where = `${table}, ${arm}, ${condition}, accuracy in percent`;
    if (!drift || drift.accuracy === null) return where;
    const { n } = drift;
    const right = Math.round(drift.accuracy * n);
    const candidates = [
      {
        value: (100 * (n - right)) / n,
        why: `wrong numerator: the share of wrong answers, ${n - right}/${n}`,
      },
      {
        value: (100 * right) / (n - right),
        why: `wrong denominator: right/(wrong alone), ${right}/${n - right}`,
      },
      { value: right / n, why: 'a share, not a percentage' },
      ...known
        .filter((cell) => cell.arm !== arm || cell.condition !== condition)
        .map((cell) => ({ value: cell.value, why: `the figure of ${cell.arm}, ${cell.condition}` })),
    ];
    return {
      table,
      where,
      printed,
      computed: 100 * drift.accuracy,
      candidates,
      share: { count: right, of: n },
    };
  });
}

function uncertaintyFigures({ uncertainty }: Published, { arms }: Summary): Entry[] {
  return Object.entries(uncertainty).flatMap(([table, { columns, cells }]) =>
    Object.entries(cells).flatMap(([arm, conditions]) =>
      Object.entries(conditions).flatMap(([condition, numbers]) =>
        numbers.map((printed, at): Entry => {
          const column = columns[at] ?? `column ${at + 1}`;
          const where = `${table}, ${arm}, ${condition}, ${column}`;
          const drift = arms[arm]?.drift?.[condition];
          const computed = drift && meanOf(drift, column);
          if (!drift || computed === null || computed === undefined) return where;
          const others = driftCells(arms).flatMap((other) => {
            const value = meanOf(other.drift, column);
            return value === null ? [] : [{ value, why: `the figure of ${other.arm}, ${other.condition}` }];
          });
          const half = meanOf(
            drift,
            column.replace(/^(in)?correct/, (side) => (side === 'correct' ? 'incorrect' : 'correct')),
          );
          const swapped = half === null ? [] : [{ value: half, why: 'right and wrong answers exchanged' }];
          return { table, where, printed, computed, candidates: [...swapped, ...others] };
        }),
      ),
    ),
  );
}

/** A mean of table 5 by its column's name, as in `correct_perplexity`; null for any other column. */
function meanOf(drift: DriftSummary, column: string): number | null {
  const [, side, metric] = /^(correct|incorrect)_(perplexity|entropy|probability)$/.exec(column) ?? [];
  if (side === undefined || metric === undefined) return null;
  return drift[side as 'correct'][metric as 'entropy'].mean;
}

function headlineFigures({ headline, asr }: Published, { arms }: Summary): Entry[] {
  return Object.entries(headline).map(([name, printed]): Entry => {
    const [, arm = '', from = ''] = /^(.+)_vs_(.+)_points$/.exec(name) ?? [];
    const where = `headline, ${arm} against ${from}, points`;
    const [own, base] = [arms[arm]?.harm, arms[from]?.harm];
    const [rate, before] = [own?.all.rate ?? null, base?.all.rate ?? null];
    if (!own || !base || rate === null || before === null) return `headline, ${name}`;
    const [shown, against] = [own.headline.rate, base.headline.rate];
    const candidates = [
      ...cellDifferences(asr, [arm, 100 * rate], [from, 100 * before]),
      {
        value: 100 * (rate / before - 1),
        why: 'the relative change in percent, not the difference in points',
      },
      { value: 100 * (before - rate), why: 'the difference with its sign reversed' },
      ...(shown === null || against === null
        ? []
        : [{ value: 100 * (shown - against), why: 'the difference without copyright behaviours' }]),
    ];
    return { table: 'headline', where, printed, computed: 100 * (rate - before), candidates };
  });
}

/** What the printed rates of a table would give; the rates are those that the outcomes give. */
function cellDifferences(
  asr: Published['asr'],
  [arm, rate]: readonly [string, number],
  [from, before]: readonly [string, number],
): Candidate[] {
  return Object.entries(asr).flatMap(([table, cells]) => {
    const percent = (name: string) =>
      Object.entries(cells[name] ?? {}).find(([column]) => /percent/.test(column))?.[1];
    const [own, base] = [percent(arm), percent(from)];
    if (!own || !base) return [];
    const wrong = [own, base].filter((printed, at) => !gives([rate, before][at]!, printed)).map(printedText);
    const verb = wrong.length === 1 ? 'is' : 'are';
    const because = wrong.length > 0 ? `, of which ${wrong.join(' and ')} ${verb} wrong` : '';
    const why = `follows from the rates that ${table} prints, ${printedText(own)} − ${printedText(base)}${because}`;
    return [{ value: own.value - base.value, why }];
  });
}

function cellsOf(tables: Published['accuracy']) {
  return Object.entries(tables).flatMap(([table, arms]) =>
    Object.entries(arms).flatMap(([arm, cells]) =>
      Object.entries(cells).map(([column, printed]) => ({ table, arm, column, printed })),
    ),
  );
}

function driftCells(arms: Summary['arms']) {
  return Object.entries(arms).flatMap(([arm, { drift = {} }]) =>
    Object.entries(drift).map(([condition, each]) => ({ arm, condition, drift: each })),
  );
}
