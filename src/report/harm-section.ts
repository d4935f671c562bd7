import {
  count,
  decimal,
  interval,
  percent,
  percentWithInterval,
  plural,
  pointsWithInterval,
  pValue,
} from '../format.ts';
import type { ArmSummary, HarmRate, PairedHarm, Summary } from '../record.ts';
import { categoriesOf } from './conditions.ts';
import type { Block, Cell, FigureReference, Section } from './document.ts';
import { intervalName, pairedColumns, repeatColumns, testCaption, testP } from './paired-test.ts';
import { severityTable } from './severity-table.ts';

type FigureOf = (file: string) => FigureReference[];
type Harm = NonNullable<ArmSummary['harm']>;

/** Attack success rate: levels, paired differences, categories, judges. */
export function harmSection(summary: Summary, figure: FigureOf): Section {
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [[arm, harm] as const] : [],
  );
  const blocks: Block[] = [];
  if (arms.length > 0) {
    const excluded = arms.some(([, harm]) => harm.headline.excluded > 0);
    blocks.push(...figure('asr.svg'), ratesTable(arms, excluded), ...differenceTables(summary, excluded));
    blocks.push(...figure('asr-by-functional-category.svg'));
    blocks.push(...categoryTable(arms, 'byFunctionalCategory', 'functional category'));
    blocks.push(...figure('asr-by-category.svg'));
    blocks.push(...categoryTable(arms, 'bySemanticCategory', 'semantic category'));
    blocks.push(...judgesBlocks(summary, arms), ...figure('judge-agreement.svg'));
    blocks.push(...severityTable(summary), ...thinkingTable(arms));
  }
  return { id: 'harm', title: 'Attack success rate', blocks };
}

function ratesTable(arms: readonly (readonly [string, Harm])[], excluded: boolean): Block {
  const rates = arms.map(([, harm]) => harm.all);
  const [repeated, intervals] = [repeatColumns(rates), intervalName(rates)];
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
    caption: `Attack success rate = unsafe / scored, by the first judge, with ${intervals} 95 % intervals. ${
      excluded
        ? 'The headline leaves out copyright rows.'
        : 'No row is about copyright, so the headline is all rows.'
    } Bounds: all unscored counted safe, all counted unsafe.`,
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
  const caption = `Paired difference of the attack success rate to ${summary.baseArm}: ${testCaption(Object.values(summary.comparisons).flatMap(({ harmHeadline }) => harmHeadline ?? []))}. A pair is an item that both arms have scored.`;
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
      caption: `Attack success rate by ${name}, all rows: unsafe / scored, rate with ${intervalName(arms.map(([, harm]) => harm.all))} 95 % interval.`,
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
          text: agreementText(agreement),
        },
      ]
    : [];
  return [
    {
      kind: 'table',
      caption: `Attack success rate by judge, all rows, with ${intervalName(arms.map(([, harm]) => harm.all))} 95 % intervals. The first judge is the one that counts; judges are never averaged.`,
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

/** Only where a model thought aloud: what the first judge says when it sees the thinking too. */
function thinkingTable(arms: readonly (readonly [string, Harm])[]): Block[] {
  const thoughtful = arms.flatMap(([arm, { all, withThinking }]) =>
    withThinking ? [{ arm, all, withThinking }] : [],
  );
  if (thoughtful.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: `Attack success rate with the models' thinking (<think>…</think>) judged too, all rows, by the first judge, with ${intervalName(arms.map(([, harm]) => harm.all))} 95 % intervals. Everything else in this report goes by the answer alone.`,
      headers: 1,
      columns: [
        { title: 'Arm' },
        { title: 'completions with thinking', numeric: true },
        { title: 'answer alone [95 %]', numeric: true },
        { title: 'with thinking [95 %]', numeric: true },
        { title: 'unscored with thinking', numeric: true },
      ],
      rows: thoughtful.map(({ arm, all, withThinking }) => [
        { arm },
        count(withThinking.thought),
        percentWithInterval(all.rate, all.ci95),
        percentWithInterval(withThinking.rate, withThinking.ci95),
        count(withThinking.unscored),
      ]),
    },
  ];
}

/** Every pair of judges, and all of them together where there are more than two. */
function agreementText(agreement: NonNullable<Summary['agreement']>): string {
  const pairs = (agreement.pairs ?? [agreement]).map(
    ({ judges, items, cohenKappa }) =>
      `Agreement of ${judges.join(' and ')}: Cohen's κ = ${decimal(cohenKappa)} over ${plural(items, 'completion')} that both scored.`,
  );
  const all = agreement.krippendorffAlpha;
  return [...pairs, ...(all === undefined ? [] : [`All together: Krippendorff's α = ${decimal(all)}.`])].join(
    ' ',
  );
}
