import { count, plural } from '../format.ts';
import type { Summary } from '../record.ts';
import { comparedFigures, type Figure } from './figures.ts';
import { gives, type Published, tie } from './published.ts';

/** Printed figures that the outcomes do not give, each with the reason found: the simplest mistake that gives what is printed. */

export type Erratum = NonNullable<Summary['errata']>[number];

export interface Comparison {
  readonly errata: readonly Erratum[];
  /** By table: how many figures were compared and how many the outcomes give. */
  readonly tables: Readonly<
    Record<string, { readonly figures: number; readonly reproduced: number; readonly rounding: number }>
  >;
  /** Printed figures that the outcomes hold nothing for. */
  readonly missing: readonly string[];
}

/** Compares every printed figure with what the outcomes give, at the precision it is printed with. */
export function comparePublished(published: Published, summary: Summary): Comparison {
  const { figures, missing } = comparedFigures(published, summary);
  const tables: Record<string, { figures: number; reproduced: number; rounding: number }> = {};
  const errata = figures.flatMap((figure): Erratum[] => {
    const tally = (tables[figure.table] ??= { figures: 0, reproduced: 0, rounding: 0 });
    tally.figures++;
    if (gives(figure.computed, figure.printed)) {
      tally.reproduced++;
      return [];
    }
    const { where, printed, computed } = figure;
    const rounding = roundingOf(figure);
    if (rounding !== null) tally.rounding++;
    const why = rounding ?? figure.candidates.find(({ value }) => gives(value, printed))?.why;
    return [
      {
        where,
        printed: printed.value,
        computed: roundTo(computed, printed.decimals),
        why: why ?? notFound(figure),
      },
    ];
  });
  return { errata, tables, missing };
}

function roundingOf({ printed, computed, share }: Figure): string | null {
  const { value, decimals } = printed;
  if (decimals === 0 || Math.abs(value - computed) > 1.5 * 10 ** -decimals + tie) return null;
  const off = 'rounding: off by one in the last digit';
  if (!share) return off;
  const needed = Math.round((value * share.of) / 100);
  const possible = needed !== share.count && gives((100 * needed) / share.of, printed);
  return possible
    ? `${off}; ${count(needed)} of ${count(share.of)} would give it, the outcomes hold ${count(share.count)}`
    : off;
}

function notFound({ candidates }: Figure): string {
  return `not reproducible: none of ${plural(candidates.length, 'usual mistake')} gives it`;
}

const roundTo = (value: number, decimals: number) => Number(value.toFixed(decimals));
