import { percentWithInterval, showInvisible } from './format.ts';
import type { ArmSummary, Summary } from './record.ts';

/** Rates of all arms on one axis from 0 to 100 %, in text: `●` the rate, `━` its interval, `│` the base's rate. */

interface Measure {
  readonly title: string;
  readonly of: (arm: ArmSummary) => Rate | undefined;
}
interface Rate {
  readonly rate: number | null;
  readonly ci95: readonly [number, number] | null;
}

/** Narrower axes than this show nothing that the numbers do not. */
const leastCells = 20;
const mostCells = 60;

const accuracyUnder =
  (condition: string) =>
  ({ drift }: ArmSummary): Rate | undefined => {
    const found = drift?.[condition];
    return found && { rate: found.accuracy, ci95: found.accuracyCi95 };
  };

const measures: readonly Measure[] = [
  { title: 'attack success rate', of: ({ harm }) => harm?.headline },
  { title: 'over-refusal', of: ({ overRefusal }) => overRefusal },
  { title: 'accuracy', of: accuracyUnder('base_prompt') },
  { title: 'accuracy, false context', of: accuracyUnder('false_context') },
];

/**
 * A block of lines per measure that two arms or more have; none where `width` columns leave too little for an axis.
 * @param width columns of the terminal.
 */
export function intervalBars({ arms, baseArm }: Summary, width: number): string[] {
  return measures.flatMap(({ title, of }) => {
    const rows = Object.entries(arms).flatMap(([arm, own]) => {
      const rate = of(own);
      return rate && rate.rate !== null
        ? [
            {
              arm: showInvisible(arm).replace(/\s+/g, ' '),
              isBase: arm === baseArm,
              rate: rate.rate,
              ci95: rate.ci95,
            },
          ]
        : [];
    });
    if (rows.length < 2) return [];
    const names = rows.map(({ arm }) => arm);
    const numbers = rows.map(({ rate, ci95 }) => percentWithInterval(rate, ci95));
    const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
    const cells = Math.min(mostCells, width - widest(names) - widest(numbers) - 6);
    if (cells < leastCells) return [];
    const base = rows.find(({ isBase }) => isBase)?.rate ?? null;
    const indent = ' '.repeat(widest(names) + 4);
    return [
      `${title}, 95 % intervals`,
      ...rows.map(
        ({ arm, isBase, rate, ci95 }, at) =>
          `  ${arm.padEnd(widest(names))}  ${bar(rate, ci95, isBase ? null : base, cells)}  ${numbers[at]}`,
      ),
      `${indent}${`0 %${'100 %'.padStart(cells - 3)}`}`,
      '',
    ];
  });
}

function bar(
  rate: number,
  ci95: readonly [number, number] | null,
  base: number | null,
  cells: number,
): string {
  const cellOf = (value: number) => Math.min(cells - 1, Math.max(0, Math.floor(value * cells)));
  const line = Array.from({ length: cells }, () => '·');
  const [low, high] = (ci95 ?? [rate, rate]).map(cellOf) as [number, number];
  line.fill('━', low, high + 1);
  if (base !== null) line[cellOf(base)] = '│';
  line[cellOf(rate)] = '●';
  return line.join('');
}
