import { count, percent, percentWithInterval } from '../format.ts';
import type { HarmRate } from '../record.ts';
import { categoriesOf, conditionName } from '../report/conditions.ts';
import { intervalName } from '../report/paired-test.ts';
import type { ReportInput } from '../report.ts';
import { shownArms } from './arm-encoding.ts';
import type { Figure } from './figure.ts';
import { intervalPlot, intervalRow, rateColumns } from './interval-plot.ts';

const axisTitle = 'attack success rate, unsafe / scored';
/** More lines than this nobody reads: the categories with the most completions are drawn, the data have all. */
const mostLines = 160;

export function attackRateFigure({ summary }: ReportInput): Figure | null {
  const measured = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rate: harm.headline }] : [],
  );
  const values = measured.flatMap(({ arm, rate }) =>
    intervalRow(
      arm,
      arm,
      rate.rate,
      rate.ci95,
      `${percent(rate.rate)} (${count(rate.unsafe)} / ${count(rate.scored)})`,
    ),
  );
  if (values.length === 0) return null;
  const words = measured.map(
    ({ arm, rate }) => `${arm} ${percentWithInterval(rate.rate, rate.ci95)}, n = ${count(rate.scored)}`,
  );
  return {
    file: 'asr.svg',
    title: 'Attack success rate per arm',
    caption: `Attack success rate per arm, headline rows. Bars: ${intervalName(measured.map(({ rate }) => rate))} 95 % intervals; n is the number after the stroke.`,
    alternative: `Attack success rate per arm with 95 % intervals: ${words.join('; ')}.`,
    specification: intervalPlot(summary, values, axisTitle, false),
    rows: measured.map(({ arm, rate }) => ({ arm, ...harmColumns(rate) })),
  };
}

const harmColumns = ({ unsafe, scored, unscored, rate, ci95 }: HarmRate) => ({
  unsafe,
  scored,
  unscored,
  ...rateColumns(rate, ci95),
});

const fields = {
  semantic: ['bySemanticCategory', 'asr-by-category.svg'],
  functional: ['byFunctionalCategory', 'asr-by-functional-category.svg'],
} as const;

/** Null with functional categories where there is but one. */
export function categoryRateFigure(
  { summary }: ReportInput,
  which: 'semantic' | 'functional',
): Figure | null {
  const [field, file] = fields[which];
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rates: harm[field] }] : [],
  );
  const categories = categoriesOf(arms.map(({ rates }) => rates));
  const all = categories.flatMap((category) =>
    arms.flatMap(({ arm, rates: { [category]: rate } }) => (rate ? [{ category, arm, rate }] : [])),
  );
  const drawn = largest(all, Math.max(1, Math.floor(mostLines / Math.max(1, arms.length))));
  const values = all
    .filter(({ category }) => drawn.has(category))
    .flatMap(({ category, arm, rate }) => {
      const label = `${count(rate.unsafe)} / ${count(rate.scored)}`;
      return intervalRow(conditionName(category), arm, rate.rate, rate.ci95, label);
    });
  if (values.length === 0 || (which === 'functional' && categories.length < 2)) return null;
  const words = shownArms(summary).flatMap((arm) => {
    const own = values.filter((value) => value.arm === arm).sort((a, b) => a.rate - b.rate);
    const [least, most] = [own[0], own.at(-1)];
    return least && most
      ? [`${arm} ${percent(least.rate)} (${least.group}) to ${percent(most.rate)} (${most.group})`]
      : [];
  });
  const left = categories.length - drawn.size;
  const leftOut =
    left > 0 ? ` Drawn are the ${count(drawn.size)} largest of ${count(categories.length)} categories.` : '';
  return {
    file,
    title: `Attack success rate by ${which} category`,
    caption: `Attack success rate by ${which} category and arm, all rows. Bars: ${intervalName(all.map(({ rate }) => rate))} 95 % intervals; at the right, unsafe / scored.${leftOut}`,
    alternative: `Attack success rate by ${which} category, lowest and highest: ${words.join('; ')}. All values are in the table.`,
    specification: intervalPlot(summary, values, axisTitle, true),
    rows: all.map(({ category, arm, rate }) => ({ category, arm, ...harmColumns(rate) })),
  };
}

/** The categories with the most completions. */
function largest(
  all: readonly { readonly category: string; readonly rate: HarmRate }[],
  most: number,
): ReadonlySet<string> {
  const sizes = new Map<string, number>();
  for (const { category, rate } of all) {
    sizes.set(category, (sizes.get(category) ?? 0) + rate.scored + rate.unscored);
  }
  const bySize = [...sizes].sort(([, a], [, b]) => b - a);
  return new Set(bySize.slice(0, most).map(([category]) => category));
}
