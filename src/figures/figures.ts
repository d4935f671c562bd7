import type { ReportInput } from '../report.ts';
import { attackRateFigure, categoryRateFigure } from './attack-rate.ts';
import { doseResponseFigure } from './dose-response.ts';
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

const described = new WeakMap<ReportInput, readonly Figure[]>();

/** Every figure that an input has data for, in the order of the report. Text, page and drawing share one description. */
export function describeFigures(input: ReportInput): readonly Figure[] {
  const known = described.get(input);
  if (known) return known;
  const figures = [
    forestPlot(input),
    attackRateFigure(input),
    categoryRateFigure(input, 'functional'),
    categoryRateFigure(input, 'semantic'),
    judgeAgreementFigure(input),
    marginDistribution(input),
    knowledgeRateFigure(input, 'accuracy'),
    knowledgeRateFigure(input, 'adoption'),
    flipDiagram(input),
    doseResponseFigure(input),
    uncertaintyFigure(input),
    reliabilityDiagram(input),
    rocFigure(input),
    lossFigure(input),
  ].flatMap((figure) => figure ?? []);
  described.set(input, figures);
  return figures;
}
