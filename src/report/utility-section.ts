import { percent, percentWithInterval, pointsWithInterval, pValue } from '../format.ts';
import type { Summary } from '../record.ts';
import type { Block, Cell, Column, Section } from './document.ts';
import { answerCount, counts, pairCells } from './item-counts.ts';
import { intervalName, pairedColumns, testCaption, testP } from './paired-test.ts';

const askedAs = (condition: string) => (arm: string, count: number, tag: string) =>
  answerCount({ suite: 'utility', arm, item: [`condition:${condition}`] }, count, tag);

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
        const asked = askedAs('multiple_choice');
        if (!own) return [];
        return [
          [
            { arm },
            counts(asked(arm, own.correct, 'right'), asked(arm, own.scored, 'scored')),
            percentWithInterval(own.rate, own.ci95),
            percentWithInterval(own.accNorm, own.accNormCi95),
            percent(own.accBytes),
            percent(own.chance),
            counts(asked(arm, own.tied, 'tied')),
            counts(asked(arm, own.unscored, 'unscored')),
          ],
        ];
      }),
    ),
    ...tableOf(
      'Short answers: right when an accepted answer stands in the answer at word boundaries.',
      ['right / scored', 'right [95 %]', 'exact match', 'empty', 'cut off'],
      arms.flatMap(([arm, { utility }]): Cell[][] => {
        const own = utility?.shortAnswer;
        const asked = askedAs('short_answer');
        if (!own) return [];
        return [
          [
            { arm },
            counts(asked(arm, own.correct, 'right'), asked(arm, own.scored, 'scored')),
            percentWithInterval(own.rate, own.ci95),
            percent(own.exactMatch),
            counts(asked(arm, own.empty, 'empty')),
            counts(asked(arm, own.cutOff, 'cut off')),
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
            ...pairCells({ suite: 'utility', arm }, summary.baseArm, utility, {
              toWorse: [utility.lost, 'wrong', 'right'],
              toBetter: [utility.gained, 'right', 'wrong'],
              paired: 'scored',
            }),
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
