import { interval, points } from './format.ts';
import type { Comparison, Summary, Verdict } from './record.ts';

/** The verdicts as JUnit XML, which every CI system shows: a suite for each gated arm, a case for each metric. */
export function writeJunit(summary: Summary): string {
  const gated = Object.entries(summary.comparisons).filter(([, { gated }]) => gated);
  const all = gated.flatMap(([, { verdicts }]) => Object.values(verdicts));
  const counts = (verdicts: readonly Verdict[]) =>
    `tests="${verdicts.length}" failures="${countOf(verdicts, 'FAIL')}" skipped="${countOf(verdicts, 'INCONCLUSIVE')}" errors="0"`;
  const suites = gated.map(([arm, comparison]) => {
    const cases = Object.entries(comparison.verdicts).map(
      ([metric, verdict]) =>
        `    <testcase classname="${escapeXml(arm)}" name="${escapeXml(metric)}">${outcome(verdict, difference(comparison, metric))}</testcase>`,
    );
    return [
      `  <testsuite name="${escapeXml(arm)}" ${counts(Object.values(comparison.verdicts))}>`,
      ...cases,
      '  </testsuite>',
    ].join('\n');
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="aftertune" ${counts(all)}>`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

const countOf = (verdicts: readonly Verdict[], wanted: Verdict) =>
  verdicts.filter((verdict) => verdict === wanted).length;

function outcome(verdict: Verdict, message: string): string {
  switch (verdict) {
    case 'PASS':
      return '';
    case 'FAIL':
      return `<failure message="${escapeXml(message)}"/>`;
    case 'INCONCLUSIVE':
      return `<skipped message="${escapeXml(`inconclusive: ${message}`)}"/>`;
    default:
      throw new Error(`internal: no verdict ${verdict satisfies never}`);
  }
}

/** The difference behind a verdict, arm minus base, in points. */
function difference({ harmHeadline, overRefusal, drift, utility }: Comparison, metric: string): string {
  const base = drift?.base_prompt;
  const known: Record<
    string,
    { deltaPoints: number | null; ci95Points: readonly [number, number] | null } | undefined
  > = {
    harmHeadline,
    overRefusal,
    utility,
    accuracy: base && { deltaPoints: base.deltaAccuracyPoints, ci95Points: base.ci95Points },
  };
  const found = known[metric];
  return found ? `${points(found.deltaPoints)} points ${interval(found.ci95Points)}` : metric;
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character]!);
}
