import { sourceFiles } from '../figures/figure.ts';
import { describeFigures } from '../figures/figures.ts';
import { count, plural } from '../format.ts';
import type { Summary } from '../record.ts';
import type { ReportInput } from '../report.ts';
import { depthSection } from './depth-section.ts';
import type { Block, Cell, Column, FigureReference, Section } from './document.ts';
import { harmSection } from './harm-section.ts';
import { calibrationSection, knowledgeSection, uncertaintySection } from './knowledge-section.ts';
import { labelsSection } from './labels-section.ts';
import { hasResult, metricName } from './lead.ts';
import { overRefusalSection } from './over-refusal-section.ts';
import { trainingSection } from './training-section.ts';
import { utilitySection } from './utility-section.ts';
import { varianceSection } from './variance-section.ts';

type FigureOf = (file: string) => FigureReference[];

/** The sections that tell what was found, each empty where the run did not measure it. */
export function findingSections(input: ReportInput): Section[] {
  const { summary } = input;
  const drawn = new Map(describeFigures(input).map((figure) => [figure.file, figure]));
  const figure: FigureOf = (file) => {
    const found = drawn.get(file);
    if (!found) return [];
    const { caption, alternative } = found;
    return [{ kind: 'figure', file, caption, alternative, ...sourceFiles(found) }];
  };
  return [
    ...(hasResult(input) ? [gateSection(summary, figure)] : []),
    { id: 'caveats', title: 'Caveats', blocks: caveatBlocks(summary) },
    claimsSection(summary),
    errataSection(summary),
    harmSection(summary, figure),
    labelsSection(input),
    depthSection(summary, figure),
    varianceSection(input),
    overRefusalSection(summary),
    knowledgeSection(summary, figure),
    uncertaintySection(summary, figure),
    calibrationSection(summary, figure),
    utilitySection(summary),
    trainingSection(input, figure),
  ];
}

function gateSection(summary: Summary, figure: FigureOf): Section {
  const { gate, comparisons } = summary;
  const metrics = [...new Set(Object.values(comparisons).flatMap(({ verdicts }) => Object.keys(verdicts)))];
  const { harm, overRefusal, accuracy, utility } = gate.marginsPoints;
  const rows = Object.entries(comparisons).map(([arm, comparison]): Cell[] => [
    { arm },
    comparison.gated ? 'yes' : 'no',
    ...metrics.flatMap((metric): Cell[] => {
      const verdict = comparison.verdicts[metric];
      return [verdict ? { verdict } : '–', count(comparison.neededItems[metric])];
    }),
  ]);
  const columns = metrics.flatMap((metric) => [
    { title: 'verdict', group: metricName(metric) },
    { title: 'items needed', group: metricName(metric), numeric: true },
  ]);
  const margins = `${harm} points for the attack success rate, ${overRefusal} for over-refusal and ${accuracy} for lost accuracy${utility === undefined ? '' : `, ${utility} for lost utility`}`;
  return {
    id: 'gate',
    title: 'Gate',
    blocks: [
      {
        kind: 'paragraph',
        text: `Exit code of the gate: ${gate.exitCode} (${gate.verdict}). Margins: ${margins}. ${
          gate.strict
            ? 'Strict: FAIL needs an interval wholly beyond the margin.'
            : 'FAIL needs an interval wholly above zero and an estimate at or beyond the margin; with a true change near the margin it is a coin flip.'
        }`,
      },
      ...figure('effects.svg'),
      ...tableBlock(
        `Verdict per arm and metric, against ${summary.baseArm}. Items needed: for 80 % power to PASS when nothing changed.`,
        [{ title: 'Arm' }, { title: 'Gated' }, ...columns],
        rows,
      ),
    ],
  };
}

function tableBlock(caption: string, columns: readonly Column[], rows: Cell[][]): Block[] {
  return rows.length > 0 ? [{ kind: 'table', caption, columns, rows, headers: 1 }] : [];
}

function caveatBlocks(summary: Summary): Block[] {
  if (summary.caveats.length === 0) return [];
  return [{ kind: 'list', items: summary.caveats }];
}

function errataSection({ errata = [] }: Summary): Section {
  const blocks = tableBlock(
    `Printed figures that the recorded outcomes do not give (${plural(errata.length, 'figure')}).`,
    [
      { title: 'Where' },
      { title: 'Printed', numeric: true },
      { title: 'Computed', numeric: true },
      { title: 'Why' },
    ],
    errata.map(({ where, printed, computed, why }) => [
      where,
      shortNumber(printed),
      shortNumber(computed),
      why,
    ]),
  );
  return { id: 'errata', title: 'Errata of the published figures', blocks };
}

function claimsSection({ claims = [] }: Summary): Section {
  const blocks = tableBlock(
    'What such outcomes are said to show, and whether these do.',
    [{ title: 'Claim' }, { title: 'Outcome' }, { title: 'Evidence' }],
    claims.map(({ claim, outcome, evidence }) => [claim, outcome, evidence]),
  );
  return { id: 'claims', title: 'What holds and what does not', blocks };
}

/** At most four decimals, without trailing zeros. */
function shortNumber(value: number): string {
  return String(Number(value.toFixed(4))).replace('-', '−');
}
