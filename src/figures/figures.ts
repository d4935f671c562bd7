import type { ReportInput } from '../report.ts';
import { attackRateFigure, categoryRateFigure } from './attack-rate.ts';
import { doseResponseFigure } from './dose-response.ts';
import { drawnArms, leftOutArms, withArms } from './drawn-arms.ts';
import type { Figure } from './figure.ts';
import { flipDiagram } from './flip-diagram.ts';
import { forestPlot } from './forest.ts';
import { judgeAgreementFigure } from './judge-agreement.ts';
import { knowledgeRateFigure } from './knowledge-rates.ts';
import { lossFigure } from './loss-curves.ts';
import { marginDistribution } from './margin-distribution.ts';
import { reliabilityDiagram } from './reliability.ts';
import { rocFigure } from './roc.ts';
import { uncertaintyFigure } from './uncertainty.ts';

/** The figures in the order of the report, each with how many arms it can show so that a reader can still tell them apart. */
const kinds: readonly { readonly of: (input: ReportInput) => Figure | null; readonly mostArms: number }[] = [
  { of: forestPlot, mostArms: 16 },
  { of: attackRateFigure, mostArms: 24 },
  { of: (input) => categoryRateFigure(input, 'functional'), mostArms: 12 },
  { of: (input) => categoryRateFigure(input, 'semantic'), mostArms: 8 },
  // Of all arms together.
  { of: judgeAgreementFigure, mostArms: Number.POSITIVE_INFINITY },
  { of: marginDistribution, mostArms: 12 },
  { of: (input) => knowledgeRateFigure(input, 'accuracy'), mostArms: 12 },
  { of: (input) => knowledgeRateFigure(input, 'adoption'), mostArms: 12 },
  { of: flipDiagram, mostArms: 12 },
  { of: doseResponseFigure, mostArms: 6 },
  { of: uncertaintyFigure, mostArms: 12 },
  { of: reliabilityDiagram, mostArms: 6 },
  { of: rocFigure, mostArms: 6 },
  { of: lossFigure, mostArms: 6 },
];

const described = new WeakMap<ReportInput, readonly Figure[]>();

/** Every figure that an input has data for, in the order of the report. Text, page and drawing share one description. */
export function describeFigures(input: ReportInput): readonly Figure[] {
  const known = described.get(input);
  if (known) return known;
  const figures = kinds.flatMap(({ of, mostArms }) => drawn(input, of, mostArms) ?? []);
  described.set(input, figures);
  return figures;
}

/** Of many arms those furthest from the base are drawn; the data have all. */
function drawn(
  input: ReportInput,
  of: (input: ReportInput) => Figure | null,
  mostArms: number,
): Figure | null {
  const whole = of(input);
  const arms = Object.keys(input.summary.arms);
  if (!whole || arms.length <= mostArms) return whole;
  const chosen = drawnArms(input.summary, mostArms);
  const some = of(withArms(input, chosen));
  if (!some) return whole;
  return { ...some, caption: `${some.caption}${leftOutArms(chosen, arms.length)}`, rows: whole.rows };
}
