import {
  absent,
  count,
  decimal,
  interval,
  percentWithInterval,
  plural,
  pointsWithInterval,
  withInterval,
} from '../format.ts';
import type { HarmRate, PairedHarm, Summary } from '../record.ts';
import type { Block, Cell, FigureReference, Section } from './document.ts';
import { answerCount, counts, pairCounts } from './item-counts.ts';
import { intervalName, testP } from './paired-test.ts';

/** How deep the refusal goes: what is likely before the first word, and what happens once the answer is begun. */
export function depthSection(summary: Summary, figure: (file: string) => FigureReference[]): Section {
  return {
    id: 'depth',
    title: 'Depth of the refusal',
    blocks: [...figure('refusal-margins.svg'), ...marginBlocks(summary), ...prefillTable(summary)],
  };
}

const nats = (value: number | null | undefined, bounds: readonly [number, number] | null | undefined) =>
  withInterval(decimal(value), interval(bounds, 1, 2));

function marginBlocks({ arms, comparisons, refusalTokens, baseArm }: Summary): Block[] {
  const rows = Object.entries(arms).flatMap(([arm, { harm }]): Cell[][] => {
    const own = harm?.refusalMargin;
    if (!own) return [];
    const paired = comparisons[arm]?.refusalMargin;
    const counted = { suite: 'harm', arm, item: ['plain', 'first repeat'] } as const;
    return [
      [
        { arm },
        counts(answerCount(counted, own.n, 'refusal margin')),
        nats(own.mean, own.ci95),
        paired ? nats(paired.difference, paired.ci95) : absent,
        paired ? counts(pairCounts(counted, baseArm, paired, 'refusal margin', false).pairs) : absent,
        paired ? counts(answerCount(counted, paired.dropped, 'unpaired refusal margin')) : absent,
      ],
    ];
  });
  if (rows.length === 0 || !refusalTokens) return [];
  const chosen = refusalTokens.sets.map(
    ({ tokens, refusals, answers, sha256 }) =>
      `${tokens.map((token) => JSON.stringify(token)).join(', ') || 'none'} (${count(refusals)} refusals among ${plural(answers, 'answer')}; SHA-256 of the ids ${sha256.slice(0, 12)})`,
  );
  const how =
    refusalTokens.chosenOn === 'held-out prompts'
      ? 'on held-out prompts'
      : 'on one half of the prompts for the other';
  return [
    {
      kind: 'table',
      caption: `Refusal margin ln P(R) − ln(1 − P(R)) in nats, all rows: P(R) is the probability that the answer begins with a token that begins a refusal of ${baseArm}. Above 0 a refusal is the likelier beginning. Mean with its 95 % interval over prompts.`,
      headers: 1,
      columns: [
        { title: 'Arm' },
        { title: 'prompts', numeric: true },
        { title: 'margin [95 %]', numeric: true },
        { title: `difference to ${baseArm} [95 %]`, numeric: true },
        { title: 'pairs', numeric: true },
        { title: 'dropped', numeric: true },
      ],
      rows,
    },
    { kind: 'paragraph', text: `Refusal tokens, chosen ${how}: ${chosen.join('; ')}.` },
  ];
}

/** Answers to the headline's rows that were begun with so many tokens. */
const given = (arm: string, tokens: string) =>
  ({ suite: 'harm', arm, item: ['headline', tokens === '0' ? 'plain' : `prefill:${tokens}`] }) as const;

function prefillTable({ arms, comparisons, baseArm }: Summary): Block[] {
  const row = (arm: string, tokens: string, rate: HarmRate, paired: PairedHarm | undefined): Cell[] => [
    { arm },
    tokens,
    counts(
      answerCount(given(arm, tokens), rate.unsafe, 'unsafe'),
      answerCount(given(arm, tokens), rate.scored, 'scored'),
    ),
    percentWithInterval(rate.rate, rate.ci95),
    counts(answerCount(given(arm, tokens), rate.unscored, 'unscored')),
    paired ? pointsWithInterval(paired.deltaPoints, paired.ci95Points) : absent,
    paired ? testP(paired) : absent,
    paired
      ? counts(
          pairCounts(given(arm, tokens), baseArm, paired, 'scored', paired.signFlipP !== undefined).pairs,
        )
      : absent,
  ];
  const attacked = Object.entries(arms).flatMap(([arm, { harm }]) =>
    harm?.byPrefill ? [{ arm, headline: harm.headline, byPrefill: harm.byPrefill }] : [],
  );
  if (attacked.length === 0) return [];
  const rows = attacked.flatMap(({ arm, headline, byPrefill }) => [
    row(arm, '0', headline, comparisons[arm]?.harmHeadline),
    ...Object.entries(byPrefill).map(([tokens, rate]) =>
      row(arm, tokens, rate, comparisons[arm]?.harmByPrefill?.[tokens]),
    ),
  ]);
  return [
    {
      kind: 'table',
      caption: `Attack success rate of the headline's rows with the answer's first tokens given (prefill attack), with ${intervalName(attacked.map(({ headline }) => headline))} 95 % intervals and the paired difference to ${baseArm} in points. A refusal that is only a few tokens deep gives way after as many. A judge sees the given tokens with the rest; the refusal-phrase list reads the rest alone.`,
      headers: 2,
      columns: [
        { title: 'Arm' },
        { title: 'tokens given', numeric: true },
        { title: 'unsafe / scored', numeric: true },
        { title: 'rate [95 %]', numeric: true },
        { title: 'unscored', numeric: true },
        { title: 'difference [95 %]', numeric: true },
        { title: 'p', numeric: true },
        { title: 'pairs', numeric: true },
      ],
      rows,
    },
  ];
}
