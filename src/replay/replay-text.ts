import {
  count,
  decimal,
  interval,
  percent,
  percentWithInterval,
  plural,
  pointsWithInterval,
  pValue,
  withInterval,
} from '../format.ts';
import type { ArmSummary, Summary } from '../record.ts';
import { resultTable, textTable } from '../result-table.ts';

/** A replay for a terminal: rates, strata, knowledge, what is printed wrongly, and what holds. */
export function replayText(summary: Summary): string {
  const arms = Object.entries(summary.arms);
  const parts = [
    resultTable(summary),
    section('attack success rate by stratum, unsafe/scored', strata(arms)),
    section('knowledge', knowledge(arms)),
    section(`accuracy against ${summary.baseArm}, points`, paired(summary)),
    section('right → wrong under a false context beyond a random one', excess(arms)),
    errata(summary),
    claims(summary),
    list('caveats', summary.caveats),
    `Replayed outcomes: exit code 0. The gate would give ${summary.gate.exitCode}.\n`,
  ];
  return parts.filter((part) => part !== '').join('\n');
}

type NamedArms = readonly (readonly [string, ArmSummary])[];

const section = (title: string, lines: readonly string[]) =>
  lines.length === 0 ? '' : `${title}\n${lines.join('\n')}\n`;
const list = (title: string, items: readonly string[]) =>
  section(
    title,
    items.map((item) => `  ${item}`),
  );

function strata(arms: NamedArms): string[] {
  const harmed = arms.flatMap(([arm, { harm }]) => (harm ? [[arm, harm] as const] : []));
  if (harmed.length === 0) return [];
  const names = (field: 'byFunctionalCategory' | 'bySemanticCategory') =>
    [...new Set(harmed.flatMap(([, harm]) => Object.keys(harm[field])))].map(
      (name) => [field, name] as const,
    );
  const rows = [...names('byFunctionalCategory'), ...names('bySemanticCategory')].map(([field, name]) => [
    name.replaceAll('_', ' '),
    ...harmed.map(([, harm]) => {
      const rate = harm[field][name];
      return rate ? `${rate.unsafe}/${rate.scored} = ${percentWithInterval(rate.rate, rate.ci95)}` : '–';
    }),
  ]);
  const all = [
    'all',
    ...harmed.map(
      ([, { all: rate }]) => `${rate.unsafe}/${rate.scored} = ${percentWithInterval(rate.rate, rate.ci95)}`,
    ),
  ];
  return textTable(['stratum', ...harmed.map(([arm]) => arm)], [all, ...rows]);
}

function knowledge(arms: NamedArms): string[] {
  const rows = arms.flatMap(([arm, { drift = {} }]) =>
    Object.entries(drift).map(([condition, each]) => [
      arm,
      condition,
      count(each.n),
      percent(each.accuracy),
      percent(each.adoption),
      percent(each.adoptionGivenKnown),
      count(each.correctToWrong),
      count(each.wrongToCorrect),
      withInterval(decimal(each.auroc), interval(each.aurocCi95, 1, 2)),
      decimal(each.ece),
    ]),
  );
  if (rows.length === 0) return [];
  const header = [
    'arm',
    'condition',
    'n',
    'right',
    'adopted',
    'of the known',
    'right → wrong',
    'wrong → right',
    'AUROC',
    'ECE',
  ];
  return textTable(header, rows);
}

function paired({ comparisons }: Summary): string[] {
  const rows = Object.entries(comparisons).flatMap(([arm, { drift = {} }]) =>
    Object.entries(drift).map(([condition, each]) => [
      arm,
      condition,
      pointsWithInterval(each.deltaAccuracyPoints, each.ci95Points),
      count(each.gained),
      count(each.lost),
      pValue(each.mcnemarP),
    ]),
  );
  return rows.length === 0
    ? []
    : textTable(['arm', 'condition', 'difference', 'gained', 'lost', 'exact McNemar p'], rows);
}

function excess(arms: NamedArms): string[] {
  return arms.flatMap(([arm, { flipExcess }]) =>
    flipExcess
      ? [
          `  ${arm}: ${pointsWithInterval(flipExcess.points, flipExcess.ci95Points, 'points')} of ${plural(flipExcess.known, 'known answer')}`,
        ]
      : [],
  );
}

function errata({ errata: found }: Summary): string {
  if (!found) return '';
  if (found.length === 0) return 'errata: none, every printed figure is what the outcomes give\n';
  const rows = found.map(({ where, printed, computed, why }) => [
    where,
    shown(printed),
    shown(computed),
    why,
  ]);
  return section('errata of the printed figures', textTable(['where', 'printed', 'computed', 'why'], rows));
}

const shown = (value: number) => String(value).replace('-', '−');

function claims({ claims: judged = [] }: Summary): string {
  const lines = judged.flatMap(({ claim, outcome, evidence }) => [
    `  ${outcome.toUpperCase()}: ${claim}`,
    `    ${evidence}`,
  ]);
  return section('what holds and what does not', lines);
}
