import { count, percent, percentWithInterval, pointsWithInterval, pValue } from '../format.ts';
import type { Summary } from '../record.ts';
import type { Block, Cell, Column, Section } from './document.ts';
import { intervalName, pairedColumns, testCaption, testP } from './paired-test.ts';

/** What every arm can still do: multiple choice, short answers, and the paired difference of both together. */
export function utilitySection(summary: Summary): Section {
  const arms = Object.entries(summary.arms);
  const rates = arms.flatMap(([, { utility }]) => utility?.all ?? []);
  const blocks: Block[] = [
    ...tableOf(
      `Multiple choice, scored by likelihood, with ${intervalName(rates)} 95 % intervals: acc by Σ ln p, acc_norm per character, acc_bytes per byte; of equal choices the first counts. An arm at chance knows nothing here, or is broken.`,
      ['right / scored', 'acc [95 %]', 'acc_norm [95 %]', 'acc_bytes', 'chance', 'tied', 'unscored'],
      arms.flatMap(([arm, { utility }]): Cell[][] => {
        const own = utility?.multipleChoice;
        if (!own) return [];
        return [
          [
            { arm },
            `${count(own.correct)} / ${count(own.scored)}`,
            percentWithInterval(own.rate, own.ci95),
            percentWithInterval(own.accNorm, own.accNormCi95),
            percent(own.accBytes),
            percent(own.chance),
            count(own.tied),
            count(own.unscored),
          ],
        ];
      }),
    ),
    ...tableOf(
      'Short answers: right when an accepted answer stands in the answer at word boundaries.',
      ['right / scored', 'right [95 %]', 'exact match', 'empty', 'cut off'],
      arms.flatMap(([arm, { utility }]): Cell[][] => {
        const own = utility?.shortAnswer;
        if (!own) return [];
        return [
          [
            { arm },
            `${count(own.correct)} / ${count(own.scored)}`,
            percentWithInterval(own.rate, own.ci95),
            percent(own.exactMatch),
            count(own.empty),
            count(own.cutOff),
          ],
        ];
      }),
    ),
    ...differences(summary),
  ];
  return { id: 'utility', title: 'Utility', blocks };
}

function differences(summary: Summary): Block[] {
  const paired = Object.values(summary.comparisons).flatMap(({ utility }) => utility ?? []);
  const rows = Object.entries(summary.comparisons).flatMap(([arm, { utility }]): Cell[][] =>
    utility
      ? [
          [
            { arm },
            pointsWithInterval(utility.deltaPoints, utility.ci95Points),
            testP(utility),
            pValue(utility.mcnemarPHolm),
            count(utility.lost),
            count(utility.gained),
            count(utility.pairs),
            count(utility.dropped),
          ],
        ]
      : [],
  );
  const caption = `Paired difference of the share right (acc) to ${summary.baseArm}: ${testCaption(paired)}.`;
  return rows.length === 0
    ? []
    : [
        {
          kind: 'table',
          caption,
          headers: 1,
          columns: [{ title: 'Arm' }, ...pairedColumns('lost', 'gained')],
          rows,
        },
      ];
}

function tableOf(caption: string, titles: readonly string[], rows: Cell[][]): Block[] {
  const columns: Column[] = [{ title: 'Arm' }, ...titles.map((title) => ({ title, numeric: true }))];
  return rows.length === 0 ? [] : [{ kind: 'table', caption, headers: 1, columns, rows }];
}
