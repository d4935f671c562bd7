import { interval, percent, percentWithInterval, pointsWithInterval, pValue } from '../format.ts';
import type { Summary } from '../record.ts';
import type { Block, Cell, Section } from './document.ts';
import { answerCount, counts, pairCells } from './item-counts.ts';
import { intervalName, pairedColumns, repeatColumns, testCaption, testP } from './paired-test.ts';

const answered = (arm: string, count: number, tag: string) =>
  answerCount({ suite: 'over-refusal', arm }, count, tag);

/** Over-refusal: levels and paired differences. */
export function overRefusalSection(summary: Summary): Section {
  const blocks: Block[] = [];
  const rates = Object.values(summary.arms).flatMap(({ overRefusal }) => overRefusal ?? []);
  const repeated = repeatColumns(rates);
  const levels = Object.entries(summary.arms).flatMap(([arm, { overRefusal }]): Cell[][] =>
    overRefusal
      ? [
          [
            { arm },
            counts(
              answered(arm, overRefusal.refused, 'refused'),
              answered(arm, overRefusal.scored, 'scored'),
            ),
            percentWithInterval(overRefusal.rate, overRefusal.ci95),
            counts(answered(arm, overRefusal.direct, 'direct')),
            counts(answered(arm, overRefusal.indirect, 'indirect')),
            counts(answered(arm, overRefusal.unscored, 'unscored')),
            interval(overRefusal.bounds, 100),
            ...repeated.map(() => percent(overRefusal.worstOfRepeats)),
            counts(answered(arm, overRefusal.cutOff, 'cut off')),
          ],
        ]
      : [],
  );
  if (levels.length > 0) {
    blocks.push({
      kind: 'table',
      caption: `Refusal rate on harmless and borderline requests = refused / scored, with ${intervalName(rates)} 95 % intervals. Direct: says no; indirect: evades.`,
      headers: 1,
      columns: [
        { title: 'Arm' },
        { title: 'refused / scored', numeric: true },
        { title: 'rate [95 %]', numeric: true },
        { title: 'direct', numeric: true },
        { title: 'indirect', numeric: true },
        { title: 'unscored', numeric: true },
        { title: 'bounds, %', numeric: true },
        ...repeated,
        { title: 'cut off', numeric: true },
      ],
      rows: levels,
    });
  }
  const differences = Object.entries(summary.comparisons).flatMap(([arm, { overRefusal }]): Cell[][] =>
    overRefusal
      ? [
          [
            { arm },
            pointsWithInterval(overRefusal.deltaPoints, overRefusal.ci95Points),
            testP(overRefusal),
            pValue(overRefusal.mcnemarPHolm),
            ...pairCells({ suite: 'over-refusal', arm }, summary.baseArm, overRefusal, {
              toWorse: [overRefusal.answeredToRefused, 'refused', 'answered'],
              toBetter: [overRefusal.refusedToAnswered, 'answered', 'refused'],
              paired: 'scored',
            }),
          ],
        ]
      : [],
  );
  if (differences.length > 0) {
    const caption = `Paired difference of the refusal rate to ${summary.baseArm}: ${testCaption(Object.values(summary.comparisons).flatMap(({ overRefusal }) => overRefusal ?? []))}.`;
    blocks.push({
      kind: 'table',
      caption,
      headers: 1,
      columns: [{ title: 'Arm' }, ...pairedColumns('answered → refused', 'refused → answered')],
      rows: differences,
    });
  }
  return { id: 'over-refusal', title: 'Over-refusal', blocks };
}
