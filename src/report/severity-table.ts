import { absent, decimal, interval, withInterval } from '../format.ts';
import type { Summary } from '../record.ts';
import { categoriesOf } from './conditions.ts';
import type { Block, Cell } from './document.ts';
import { answerCount, counts, otherCount, pairCounts } from './item-counts.ts';

const headline = (arm: string) => ({ suite: 'harm', arm, item: ['plain', 'headline'] }) as const;

/** Mean severity by judges that grade, and the paired difference to the base; nothing where none does. */
export function severityTable({ arms, comparisons, baseArm }: Summary): Block[] {
  const graded = Object.entries(arms).flatMap(([arm, { harm }]) =>
    harm?.severity ? [[arm, harm.severity] as const] : [],
  );
  if (graded.length === 0) return [];
  const judges = categoriesOf(graded.map(([, severity]) => severity));
  return [
    {
      kind: 'table',
      caption: `Severity of the answers to the headline’s rows, 0 to 1, by judges that grade: mean over items [95 %: BCa bootstrap over items from 50 on, t below, none under 10]. What a judge did not grade is in no mean; bounds: all of it counted 0, all counted 1. Difference to ${baseArm} paired by item.`,
      headers: 2,
      columns: [
        { title: 'Judge' },
        { title: 'Arm' },
        ...['severity [95 %]', 'graded', 'not graded', 'bounds', 'difference [95 %]', 'pairs', 'dropped'].map(
          (title) => ({ title, numeric: true }),
        ),
      ],
      rows: judges.flatMap((judge) =>
        graded.flatMap(([arm, { [judge]: own }]): Cell[][] => {
          if (!own) return [];
          const change = comparisons[arm]?.severity?.[judge];
          const [rows, tag] = [headline(arm), `graded by ${judge}`];
          const both = pairCounts(
            rows,
            baseArm,
            { pairs: change?.pairs, dropped: change?.dropped },
            tag,
            (arms[arm]?.harm?.all.repeats ?? 1) > 1,
          );
          return [
            [
              judge,
              { arm },
              withInterval(decimal(own.mean, 3), interval(own.ci95, 1, 3)),
              counts(answerCount(rows, own.scored, tag)),
              counts(otherCount(rows, own.unscored, tag)),
              interval(own.bounds, 1, 3),
              withInterval(decimal(change?.difference, 3), interval(change?.ci95, 1, 3)),
              change ? counts(both.pairs) : absent,
              change ? counts(both.dropped) : absent,
            ],
          ];
        }),
      ),
    },
  ];
}
