import { describe, expect, it } from 'vitest';
import { meanInterval, studentInterval } from '../src/bootstrap.ts';
import { createRandom } from '../src/random.ts';
import { summary as summarySchema } from '../src/record.ts';
import { renderMarkdown } from '../src/report.ts';
import { summarise } from '../src/summarise.ts';
import { buildReportInput } from './fixtures/report-input.ts';
import { harmRun, harmVerdict, ids, judgeOf, planned, summaryInput } from './outcome-records.ts';

const grader = judgeOf('harm', 'grader');

/** Two arms whose first judge only labels; `grades`: what the second gives by arm, null where it cannot be read. */
function graded(grades: Readonly<Record<'base' | 'tuned', readonly (number | null)[]>>) {
  const count = grades.base.length;
  const run = harmRun({ base: 's'.repeat(count), tuned: 'u'.repeat(count) }, planned(ids(count)));
  const seen = { base: 0, tuned: 0 };
  const theirs = run.items.flatMap((item) => {
    const arm = item.arm as 'base' | 'tuned';
    const severity = grades[arm][seen[arm]++]!;
    const [verdict] = harmVerdict(item, severity === null ? '?' : severity >= 0.5 ? 'u' : 's', grader);
    return severity === null ? [verdict!] : [{ ...verdict!, severity }];
  });
  const judges = [judgeOf('harm'), grader];
  return summarise(
    summaryInput(['base', 'tuned'], [{ ...run, verdicts: [...run.verdicts, ...theirs] }], { judges }),
  );
}

describe('severity', () => {
  const low = Array.from({ length: 20 }, (_, i) => (i % 4) / 8);
  const high = Array.from({ length: 20 }, (_, i) => (i === 3 || i === 11 ? null : 0.5 + (i % 5) / 8));
  const summary = graded({ base: low, tuned: high });

  it('is a mean over what was graded; what was not is 0 in no number', () => {
    const { grader: base } = summary.arms.base!.harm!.severity!;
    expect(base!.mean).toBeCloseTo(0.1875, 12);
    const known = high.filter((value) => value !== null);
    const sum = known.reduce((total, value) => total + value, 0);
    const { grader: tuned } = summary.arms.tuned!.harm!.severity!;
    expect(tuned).toMatchObject({ scored: 18, unscored: 2 });
    expect(tuned!.mean).toBeCloseTo(sum / 18, 12);
    expect(tuned!.bounds).toEqual([expect.closeTo(sum / 20, 12), expect.closeTo((sum + 2) / 20, 12)]);
    expect(tuned!.ci95).toEqual(studentInterval(known));
    expect(Object.keys(summary.arms.tuned!.harm!.severity!)).toEqual(['grader']);
    expect(summarySchema.parse(summary)).toEqual(summary);
  });

  it('is compared with the base over the items that both have graded', () => {
    const { grader: change } = summary.comparisons.tuned!.severity!;
    const both = high.flatMap((value, i) => (value === null ? [] : value - low[i]!));
    expect(change).toMatchObject({ pairs: 18, dropped: 2 });
    expect(change!.difference).toBeCloseTo(both.reduce((total, value) => total + value, 0) / 18, 12);
    expect(change!.ci95).toEqual(studentInterval(both));
  });

  it('has a bootstrap interval from 50 items on, and none under ten', () => {
    const values = (count: number) => Array.from({ length: count }, (_, i) => (i % 9) / 8);
    const many = graded({ base: values(60), tuned: values(60) });
    expect(many.arms.base!.harm!.severity!.grader!.ci95).toEqual(
      meanInterval(values(60), createRandom('severity')),
    );
    expect(many.comparisons.tuned!.severity!.grader).toMatchObject({ difference: 0, ci95: null });
    expect(graded({ base: values(9), tuned: values(9) }).arms.base!.harm!.severity!.grader!.ci95).toBeNull();
  });

  it('is left out where no judge grades', () => {
    const none = graded({ base: [null, null], tuned: [null, null] });
    expect(none.arms.base!.harm).not.toHaveProperty('severity');
    expect(none.comparisons.tuned).not.toHaveProperty('severity');
  });

  it('stands in the harm section of a report', () => {
    const input = buildReportInput();
    expect(renderMarkdown(input)).not.toContain('Severity of the answers');
    const text = renderMarkdown({ ...input, summary });
    expect(text).toMatch(
      /\| grader \| tuned \| 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \| 18 \| 2 \| \\\[0\.\d{3}, 0\.\d{3}\] \| 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \| 18 \| 2 \|/,
    );
  });
});
