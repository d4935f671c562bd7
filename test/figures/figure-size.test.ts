import { expect, it } from 'vitest';
import { sourceFiles } from '../../src/figures/figure.ts';
import { describeFigures } from '../../src/figures/figures.ts';
import { drawSvg } from '../../src/plot.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';
import type { WholeInput } from '../fixtures/report-input.ts';

/** Every answer so many times over, under ids of their own. */
function multiplied(input: WholeInput, times: number): WholeInput {
  const copies = Array.from({ length: times }, (_, copy) => copy);
  const again = <T extends { readonly id: string }>(records: readonly T[]): T[] =>
    records.flatMap((record) => copies.map((copy) => ({ ...record, id: `${record.id}-${copy}` })));
  const longer = Object.entries(input.histories).map(([arm, history]) => [
    arm,
    Array.from({ length: 200 }, (_, part) =>
      history.map((step) => ({ ...step, step: step.step + 50 * part })),
    ).flat(),
  ]);
  return {
    ...input,
    items: again(input.items),
    verdicts: again(input.verdicts),
    margins: again(input.margins ?? []),
    suites: input.suites.map((suite) => ({ ...suite, items: again(suite.items) })),
    histories: Object.fromEntries(longer) as WholeInput['histories'],
  };
}

it('50,000 answers and 20,000 steps stay quick and small', async () => {
  const input = multiplied(buildFigureInput(), 14);
  expect(input.items.length).toBeGreaterThan(50_000);
  // The processor's time: what else the machine does is not counted.
  const start = process.cpuUsage();
  const figures = describeFigures(input);
  expect(process.cpuUsage(start).user / 1e3).toBeLessThan(6_000);
  expect(figures.length).toBe(14);
  for (const figure of figures) {
    const { csv, specification } = sourceFiles(figure);
    expect((await drawSvg(figure)).length).toBeLessThan(150_000);
    expect(csv.length).toBeLessThan(300_000);
    expect(specification.length).toBeLessThan(300_000);
  }
});
