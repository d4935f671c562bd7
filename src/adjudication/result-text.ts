import {
  decimal,
  interval,
  percent,
  percentWithInterval,
  plural,
  pointsWithInterval,
  withInterval,
} from '../format.ts';
import type { AdjudicatedDocument } from '../human-record.ts';
import { textTable } from '../result-table.ts';

/** What people's labels come to, for a terminal: by the deciding judge, and how far judges and people agree. */
export function resultText({ sample, judges, agreement, labellers, arms }: AdjudicatedDocument): string {
  const [first = ''] = judges;
  const rows = Object.entries(arms).map(([name, arm]) => {
    const judge = arm.judges[first]!;
    const left = [
      ...(arm.skipped > 0 ? [`${arm.skipped} skipped`] : []),
      ...(arm.unresolved > 0 ? [`${arm.unresolved} tied`] : []),
    ];
    return [
      name,
      `${arm.labelled} of ${arm.units}${left.length > 0 ? ` (${left.join(', ')})` : ''}`,
      percent(judge.judgedRate),
      percentWithInterval(judge.corrected?.rate, judge.corrected?.ci95),
      judge.difference ? pointsWithInterval(judge.difference.deltaPoints, judge.difference.ci95Points) : '',
      percent(judge.sensitivity.rate),
      percent(judge.specificity.rate),
      judge.roganGladen ? percentWithInterval(judge.roganGladen.clipped, judge.roganGladen.ci95) : 'refused',
    ];
  });
  const header = [
    'arm',
    'labelled',
    `by ${first}`,
    'corrected',
    'against base',
    'sensitivity',
    'specificity',
  ];
  return [
    ...textTable([...header, 'Rogan–Gladen'], rows),
    '',
    ...(judges.length < 2
      ? []
      : [`Krippendorff’s α over ${judges.length} judges: ${shown(agreement.krippendorffAlpha)}`]),
    ...agreement.cohenKappa.map((pair) => `Cohen’s κ of ${pair.judges.join(' and ')}: ${shown(pair)}`),
    ...labellerLines(labellers, arms),
    `${sample.drawn} in the sample, ${sample.open} of them open`,
    '',
  ].join('\n');
}

type Agreement = AdjudicatedDocument['agreement']['krippendorffAlpha'];

const shown = ({ value, ci95 }: Agreement) => withInterval(decimal(value), interval(ci95, 1, 2));

function labellerLines(
  { labels, krippendorffAlpha, cohenKappa = [] }: AdjudicatedDocument['labellers'],
  arms: AdjudicatedDocument['arms'],
): string[] {
  const names = Object.keys(labels);
  if (!krippendorffAlpha) return [];
  const tied = Object.values(arms).reduce((sum, { unresolved }) => sum + unresolved, 0);
  return [
    `Krippendorff’s α over ${names.length} people, ${plural(krippendorffAlpha.units, 'completion')} with two labels or more: ${shown(krippendorffAlpha)}`,
    ...cohenKappa.map((pair) => `Cohen’s κ of ${pair.labellers.join(' and ')}: ${shown(pair)}`),
    `where people disagree the majority counts; ${tied} tied, and not labelled`,
  ];
}
