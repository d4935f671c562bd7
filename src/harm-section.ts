import type { Block, Cell, Column, FigureReference, Section } from './document.ts';
import {
  count,
  decimal,
  interval,
  percent,
  percentWithInterval,
  plural,
  pointsWithInterval,
  pValue,
} from './format.ts';
import type { ArmSummary, HarmRate, PairedHarm, Summary } from './record.ts';

type FigureOf = (file: string) => FigureReference[];
type Harm = NonNullable<ArmSummary['harm']>;

/** Columns of a paired difference of rates, whatever its flips are called. */
export function pairedColumns(toWorse: string, toBetter: string): Column[] {
  return [
    { title: 'difference, points [95 %]', numeric: true },
    { title: 'p', numeric: true },
    { title: 'p, Holm', numeric: true },
    { title: toWorse, numeric: true },
    { title: toBetter, numeric: true },
    { title: 'pairs', numeric: true },
    { title: 'dropped', numeric: true },
  ];
}

/** Only with several repeats per item: the share of items with at least one such completion. */
function repeatColumns(rates: readonly { repeats?: number | undefined }[]): Column[] {
  const repeats = Math.max(...rates.map((rate) => rate.repeats ?? 1));
  return repeats > 1 ? [{ title: `worst of ${repeats}`, numeric: true }] : [];
}

/** The p value of a paired test: exact McNemar, or sign-flip permutation with several repeats per item. */
export function testP({
  mcnemarP,
  signFlipP,
}: {
  mcnemarP: number | null;
  signFlipP?: number | null | undefined;
}): string {
  return pValue(mcnemarP ?? signFlipP);
}

/** What the p columns mean, for a caption. */
export function testCaption(paired: readonly { signFlipP?: number | null | undefined }[]): string {
  const test = paired.some(({ signFlipP }) => signFlipP !== undefined)
    ? 'sign-flip permutation test'
    : 'exact McNemar test';
  return `${test}, Holm over the gated metrics of all arms`;
}

/** Attack success rate: levels, paired differences, categories, judges. */
export function harmSection(summary: Summary, figure: FigureOf): Section {
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [[arm, harm] as const] : [],
  );
  const blocks: Block[] = [];
  if (arms.length > 0) {
    const excluded = arms.some(([, harm]) => harm.headline.excluded > 0);
    blocks.push(...figure('asr.svg'), ratesTable(arms, excluded), ...differenceTables(summary, excluded));
    blocks.push(...figure('asr-by-category.svg'));
    blocks.push(...categoryTable(arms, 'byFunctionalCategory', 'functional category'));
    blocks.push(...categoryTable(arms, 'bySemanticCategory', 'semantic category'));
    blocks.push(...judgesBlocks(summary, arms));
  }
  return { id: 'harm', title: 'Attack success rate', blocks };
}

function ratesTable(arms: readonly (readonly [string, Harm])[], excluded: boolean): Block {
  const repeated = repeatColumns(arms.map(([, harm]) => harm.all));
  const row = (arm: string, rows: string, rate: HarmRate, left: number, harm: Harm): Cell[] => [
    { arm },
    ...(excluded ? [rows] : []),
    `${count(rate.unsafe)} / ${count(rate.scored)}`,
    percentWithInterval(rate.rate, rate.ci95),
    count(rate.unscored),
    interval(rate.bounds, 100),
    ...(excluded ? [count(left)] : []),
    ...repeated.map(() => percent(rate.worstOfRepeats)),
    rows === 'all' ? count(harm.cutOff) : '',
  ];
  return {
    kind: 'table',
    caption: excluded
      ? 'Attack success rate = unsafe / scored, by the first judge, with Wilson 95 % intervals. The headline leaves out copyright rows. Bounds: all unscored counted safe, all counted unsafe.'
      : 'Attack success rate = unsafe / scored, by the first judge, with Wilson 95 % intervals. No row is about copyright, so the headline is all rows. Bounds: all unscored counted safe, all counted unsafe.',
    headers: 1,
    columns: [
      { title: 'Arm' },
      ...(excluded ? [{ title: 'Rows' }] : []),
      { title: 'unsafe / scored', numeric: true },
      { title: 'rate [95 %]', numeric: true },
      { title: 'unscored', numeric: true },
      { title: 'bounds, %', numeric: true },
      ...(excluded ? [{ title: 'left out', numeric: true }] : []),
      ...repeated,
      { title: 'cut off', numeric: true },
    ],
    rows: arms.flatMap(([arm, harm]) => {
      const all = row(arm, 'all', harm.all, 0, harm);
      return excluded ? [row(arm, 'headline', harm.headline, harm.headline.excluded, harm), all] : [all];
    }),
  };
}

function differenceTables(summary: Summary, excluded: boolean): Block[] {
  const row = (arm: string, rows: string, paired: PairedHarm): Cell[] => [
    { arm },
    ...(excluded ? [rows] : []),
    pointsWithInterval(paired.deltaPoints, paired.ci95Points),
    testP(paired),
    pValue(paired.mcnemarPHolm),
    count(paired.safeToUnsafe),
    count(paired.unsafeToSafe),
    count(paired.pairs),
    count(paired.dropped),
  ];
  const rows = Object.entries(summary.comparisons).flatMap(([arm, { harm, harmHeadline }]) => [
    ...(harmHeadline ? [row(arm, 'headline', harmHeadline)] : []),
    ...(harm && excluded ? [row(arm, 'all', harm)] : []),
  ]);
  if (rows.length === 0) return [];
  const caption = `Paired difference of the attack success rate to ${summary.baseArm}: Tango score interval, ${testCaption(Object.values(summary.comparisons).flatMap(({ harmHeadline }) => harmHeadline ?? []))}. A pair is an item that both arms have scored.`;
  return [
    {
      kind: 'table',
      caption,
      headers: 1,
      columns: [
        { title: 'Arm' },
        ...(excluded ? [{ title: 'Rows' }] : []),
        ...pairedColumns('safe → unsafe', 'unsafe → safe'),
      ],
      rows,
    },
  ];
}

/** Categories in the order the arms name them. */
export function categoriesOf(rates: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(rates.flatMap((rate) => Object.keys(rate)))];
}

function categoryTable(
  arms: readonly (readonly [string, Harm])[],
  field: 'byFunctionalCategory' | 'bySemanticCategory',
  name: string,
): Block[] {
  const categories = categoriesOf(arms.map(([, harm]) => harm[field]));
  if (categories.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: `Attack success rate by ${name}, all rows: unsafe / scored, rate with Wilson 95 % interval.`,
      headers: 1,
      columns: [
        { title: 'Category' },
        ...arms.flatMap(([arm]) => [
          { title: 'unsafe / scored', group: arm, numeric: true },
          { title: 'rate [95 %]', group: arm, numeric: true },
        ]),
      ],
      rows: categories.map((category) => [
        category.replaceAll('_', ' '),
        ...arms.flatMap(([, harm]): Cell[] => {
          const rate = harm[field][category];
          return rate
            ? [`${count(rate.unsafe)} / ${count(rate.scored)}`, percentWithInterval(rate.rate, rate.ci95)]
            : ['–', '–'];
        }),
      ]),
    },
  ];
}

function judgesBlocks(summary: Summary, arms: readonly (readonly [string, Harm])[]): Block[] {
  const judges = categoriesOf(arms.map(([, harm]) => harm.judges));
  if (judges.length === 0) return [];
  const { agreement } = summary;
  const agreed: Block[] = agreement
    ? [
        {
          kind: 'paragraph',
          text: `Agreement of ${agreement.judges.join(' and ')}: Cohen's κ = ${decimal(agreement.cohenKappa)} over ${plural(agreement.items, 'completion')} that both scored.`,
        },
      ]
    : [];
  return [
    {
      kind: 'table',
      caption:
        'Attack success rate by judge, all rows, with Wilson 95 % intervals. The first judge is the one that counts; judges are never averaged.',
      headers: 1,
      columns: [
        { title: 'Judge' },
        ...arms.flatMap(([arm]) => [
          { title: 'rate [95 %]', group: arm, numeric: true },
          { title: 'unscored', group: arm, numeric: true },
        ]),
      ],
      rows: judges.map((judge) => [
        judge,
        ...arms.flatMap(([, harm]): Cell[] => {
          const rate = harm.judges[judge];
          return rate ? [percentWithInterval(rate.rate, rate.ci95), count(rate.unscored)] : ['–', '–'];
        }),
      ]),
    },
    ...agreed,
  ];
}

/** Over-refusal: levels and paired differences. */
export function overRefusalSection(summary: Summary): Section {
  const blocks: Block[] = [];
  const repeated = repeatColumns(Object.values(summary.arms).flatMap(({ overRefusal }) => overRefusal ?? []));
  const levels = Object.entries(summary.arms).flatMap(([arm, { overRefusal }]): Cell[][] =>
    overRefusal
      ? [
          [
            { arm },
            `${count(overRefusal.refused)} / ${count(overRefusal.scored)}`,
            percentWithInterval(overRefusal.rate, overRefusal.ci95),
            count(overRefusal.direct),
            count(overRefusal.indirect),
            count(overRefusal.unscored),
            interval(overRefusal.bounds, 100),
            ...repeated.map(() => percent(overRefusal.worstOfRepeats)),
            count(overRefusal.cutOff),
          ],
        ]
      : [],
  );
  if (levels.length > 0) {
    blocks.push({
      kind: 'table',
      caption:
        'Refusal rate on harmless and borderline requests = refused / scored, with Wilson 95 % intervals. Direct: says no; indirect: evades.',
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
            count(overRefusal.answeredToRefused),
            count(overRefusal.refusedToAnswered),
            count(overRefusal.pairs),
            count(overRefusal.dropped),
          ],
        ]
      : [],
  );
  if (differences.length > 0) {
    const caption = `Paired difference of the refusal rate to ${summary.baseArm}: Tango score interval, ${testCaption(Object.values(summary.comparisons).flatMap(({ overRefusal }) => overRefusal ?? []))}.`;
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
