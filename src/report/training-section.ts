import { count, decimal } from '../format.ts';
import type { ReportInput } from '../report.ts';
import type { Block, Cell, FigureReference, Section } from './document.ts';

/** What each arm was trained on, and its loss curve. */
export function trainingSection(
  { summary }: ReportInput,
  figure: (file: string) => FigureReference[],
): Section {
  const rows = Object.entries(summary.arms).flatMap(([arm, { training }]): Cell[][] =>
    training
      ? [
          [
            { arm },
            count(training.rows),
            count(training.steps),
            count(training.tokens),
            count(training.labelledTokens),
            decimal(training.finalLoss, 3),
            training.redTeam ? 'red-team' : '–',
            { code: training.adapterSha256.slice(0, 16) },
          ],
        ]
      : [],
  );
  const blocks: Block[] = [];
  if (rows.length > 0) {
    blocks.push(
      {
        kind: 'table',
        caption:
          'Training. Loss: mean negative log-likelihood per labelled token in nats. Red-team: trained on rejected responses, not for use.',
        headers: 1,
        columns: [
          { title: 'Arm' },
          { title: 'rows', numeric: true },
          { title: 'steps', numeric: true },
          { title: 'tokens', numeric: true },
          { title: 'labelled tokens', numeric: true },
          { title: 'final loss', numeric: true },
          { title: 'mark' },
          { title: 'adapter SHA-256, first 16' },
        ],
        rows,
      },
      ...figure('loss.svg'),
    );
  }
  return { id: 'training', title: 'Training', blocks };
}
