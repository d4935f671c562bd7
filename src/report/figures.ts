import type { Chart } from '../plot.ts';
import type { ReportInput } from '../report.ts';
import { accuracyFigure, asrFigure, categoryFigure } from './interval-figures.ts';
import { lossFigure } from './loss-figure.ts';
import { uncertaintyFigure } from './uncertainty-figure.ts';

/** A chart with the caption that stands under it. */
export interface Figure extends Chart {
  /** Says n and what the interval is. */
  readonly caption: string;
}

/** The paper's three figures, the attack success rate by category and the loss curves, each where there are data for it. */
export function describeFigures(input: ReportInput): Figure[] {
  const { summary } = input;
  return [
    asrFigure(summary),
    categoryFigure(summary),
    accuracyFigure(summary),
    uncertaintyFigure(summary),
    lossFigure(input),
  ].flatMap((figure) => figure ?? []);
}
